"""Preparing from untrusted sources: nothing is written outside, every name stays one line."""

import io
import os
import tarfile

import cv2
import numpy as np
import pytest
from folders import NAMES, write_images

from jaxcnn.config.schema import Data
from jaxcnn.data.prepare import write
from jaxcnn.data.prepare.entries import TRAIN, list_folder, list_ilsvrc
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def tar_of(files, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return buffer.getvalue()


def test_names_of_classes_survive_preparation_line_by_line(tmp_path):
    root = write_images(
        tmp_path / "root", [name for name in NAMES if not name.startswith(".")], count=1
    )
    (root / "train" / "-rf" / os.fsdecode(b"\xff\x1b.png")).write_bytes(
        (root / "train" / "-rf" / "0.png").read_bytes()
    )
    (root / "train" / "-rf" / "a\nb.png").write_bytes(b"not an image")
    write.write_dataset(
        list_folder(root), tmp_path / "out" / "pets" / "1.0.0", write.Options(), lambda *_: None
    )
    folder, prepared = (
        open_source(Data(name=name, data_dir=str(place)), "train")
        for name, place in (("folder", root), ("pets", tmp_path / "out"))
    )
    assert prepared.class_names == folder.class_names and len(prepared) == len(folder) - 1
    (bad,) = (tmp_path / "out" / "pets" / "1.0.0" / "bad_files.txt").read_text().splitlines()
    assert bad.startswith("train/-rf/a\\nb.png is not a JPEG")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "root"]


def test_archives_with_absolute_names_dots_and_links_write_nothing_outside(tmp_path):
    image = cv2.imencode(".jpg", np.full((20, 20, 3), 80, np.uint8))[1].tobytes()
    escape = tmp_path / "escaped"
    names = [f"{escape}.JPEG", "../../escaped.JPEG", "a/../../../escaped.JPEG", "plain.JPEG"]
    inner = {
        "../../n00000001.tar": tar_of(dict.fromkeys(names, image), [("link.JPEG", "/etc/passwd")]),
        f"{tmp_path}/n00000002.tar": tar_of({"x\ny.JPEG": image}),
    }
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / TRAIN).write_bytes(tar_of(inner, [("n00000003.tar", "/etc/passwd")]))
    place = tmp_path / "out" / "imagenet2012" / "5.1.0"
    write.write_dataset(list_ilsvrc(archives), place, write.Options(), lambda *_: None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archives", "out"] and not escape.exists()
    source = open_source(Data(name="imagenet2012", data_dir=str(tmp_path / "out")), "train")
    assert source.class_names == ["n00000001", "n00000002"] and sorted(e.label for e in source) == [
        0,
        0,
        0,
        0,
        1,
    ]
    assert all(e.image == image and e.key.isprintable() for e in source)
    (archives / TRAIN).write_bytes(tar_of({"n00000001\nn00000009.tar": tar_of({"x.JPEG": image})}))
    with pytest.raises(DataError, match=r"is no synset name like n01440764"):
        list_ilsvrc(archives)
