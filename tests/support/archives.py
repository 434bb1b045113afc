"""Small images, each painted for its class, and archives of them."""

import gzip
import io
import tarfile

import cv2
import numpy as np
from scipy.io import savemat

from jaxcnn.data.prepare.entries import DEVKIT, TRAIN, VALIDATION


def jpeg(label, seed, size=(40, 60)):
    """A picture whose grey levels lie between 20 `label` and 20 `label` + 20."""
    pixels = 20 * label + np.random.default_rng(seed).integers(0, 20, (*size, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def brightness(source):
    """The class that each image was painted for, from its pixels."""
    pixels = [cv2.imdecode(np.frombuffer(example.image, np.uint8), 0) for example in source]
    return [round((grey.mean() - 10) / 20) for grey in pixels]


def make_pets(root):
    """ROOT/{train,val}/{cat,dog}/*.jpg: 20 and 4 images of a class."""
    for split, count in (("train", 20), ("val", 4)):
        for label, name in enumerate(["cat", "dog"]):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                (root / split / name / f"{i}.jpg").write_bytes(jpeg(label, 100 * label + i))


def make_ilsvrc(root):
    """ILSVRC in small: three classes and a synset that is no leaf.

    Their ILSVRC2012_ID are not in the order of their names.
    """
    ids = {"n00000003": 1, "n00000001": 2, "n00000002": 3}
    rows = [(number, wnid, 0) for wnid, number in ids.items()] + [(1001, "n09999999", 5)]
    synsets = np.array(rows, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    meta = io.BytesIO()
    savemat(meta, {"synsets": synsets})
    truth = [2, 3, 1, 1, 2]
    kit = {
        "devkit/data/meta.mat": meta.getvalue(),
        "devkit/data/ILSVRC2012_validation_ground_truth.txt": b"\n".join(b"%d" % t for t in truth),
    }
    root.mkdir()
    (root / DEVKIT).write_bytes(gzip.compress(tar_of(kit)))
    classes = {
        f"{wnid}.tar": tar_of({f"{wnid}_{i}.JPEG": jpeg(int(wnid[-1]), i) for i in range(7)})
        for wnid in ids
    }
    (root / TRAIN).write_bytes(tar_of(classes))
    by_id = {number: int(wnid[-1]) for wnid, number in ids.items()}
    images = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": jpeg(by_id[t], i) for i, t in enumerate(truth)}
    (root / VALIDATION).write_bytes(tar_of(dict(reversed(images.items()))))
