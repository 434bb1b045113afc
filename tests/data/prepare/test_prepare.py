"""Preparation of datasets: what TFDS itself reads afterwards, resumption, damage, statistics; the contact sheet."""

import gzip
import io
import json
import struct
import tarfile

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from jaxcnn.config.schema import Data
from jaxcnn.data.prepare import statistics, write
from jaxcnn.data.prepare.entries import DEVKIT, TRAIN, VALIDATION, list_folder, list_ilsvrc
from jaxcnn.data.prepare.tfrecords import masked_crc32c, read_tfrecords
from jaxcnn.data.sources.open import open_source
from jaxcnn.draw.contact_sheet import contact_sheet
from jaxcnn.errors import DataError
from scripts import prepare_data


def jpeg(label, seed, size=(40, 60)):
    pixels = np.full((*size, 3), 20 * label, np.uint8) + np.random.default_rng(seed).integers(
        0, 20, (*size, 3), np.uint8
    )
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "Two Pets"
    for split, count in (("train", 20), ("val", 4)):
        for label, name in enumerate(["cat", "dog"]):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                (root / split / name / f"{i}.jpg").write_bytes(jpeg(label, 100 * label + i))
    return root


@pytest.fixture
def archives(tmp_path):
    """ILSVRC in small: three classes whose ILSVRC2012_ID are not in the order of their names, and a synset that is no leaf."""
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
    root = tmp_path / "archives"
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
    return root


def brightness(source):
    """The class that each image was painted for, from its pixels."""
    return [
        round((cv2.imdecode(np.frombuffer(e.image, np.uint8), 0).mean() - 10) / 20) for e in source
    ]


def test_a_folder_becomes_a_dataset_that_tfds_reads(folder, tmp_path, capsys):
    import tensorflow_datasets as tfds

    assert prepare_data.main(["--source", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "train: 40 images" in capsys.readouterr().out
    data = Data(name="two_pets", data_dir=str(tmp_path / "out"))
    source = open_source(data, "train")
    assert (
        len(source) == 40
        and source.class_names == ["cat", "dog"]
        and source.splits == {"train": 40, "validation": 8}
    )
    assert [e.label for e in source] == brightness(source)
    assert 5 < sum(e.label for e in open_source(data, "train[:50%]")) < 15  # not sorted by class
    builder = tfds.builder_from_directory(tmp_path / "out" / "two_pets" / "1.0.0")
    record = builder.as_data_source("validation")[3]
    assert record["image"].shape == (40, 60, 3) and builder.info.features["label"].int2str(
        record["label"]
    ) in ("cat", "dog")
    original = (
        folder
        / "val"
        / builder.info.features["label"].int2str(record["label"])
        / record["file_name"].decode()
    ).read_bytes()
    assert open_source(data, "validation")[3].image == original


def test_checksums_are_those_of_the_files(folder, tmp_path):
    place = tmp_path / "pets" / "1.0.0"
    write.write_dataset(
        list_folder(folder), place, write.Options(), lambda *_: None, shards={"train": 3}
    )
    lines = [line.split() for line in (place / "checksums.txt").read_text().splitlines()]
    assert len(lines) == 4 and all(write.sha256(place / name) == digest for digest, name in lines)
    with pytest.raises(DataError, match="already prepared"):
        write.write_dataset(list_folder(folder), place, write.Options(), lambda *_: None)


def test_an_interrupted_run_goes_on_and_ends_the_same(folder, tmp_path):
    listing = list_folder(folder)
    whole, broken = tmp_path / "pets" / "1.0.0", tmp_path / "pets" / "2.0.0"
    write.write_dataset(listing, whole, write.Options(), lambda *_: None, shards={"train": 4})

    class Killed(Exception):
        pass

    def kill(split, done, total):
        if done >= 20:
            raise Killed

    with pytest.raises(Killed):
        write.write_dataset(listing, broken, write.Options(), kill, shards={"train": 4})
    first = broken / "pets-train.array_record-00000-of-00004"
    made = first.stat().st_mtime_ns
    (broken / "pets-train.array_record-00001-of-00004").write_bytes(
        b"cut"
    )  # noticed and made again
    with pytest.raises(DataError, match="other images or options"):
        write.write_dataset(
            listing, broken, write.Options(short_side=30), lambda *_: None, shards={"train": 4}
        )
    write.write_dataset(listing, broken, write.Options(), lambda *_: None, shards={"train": 4})
    assert first.stat().st_mtime_ns == made
    assert sorted((broken / "checksums.txt").read_text().split()) == sorted(
        (whole / "checksums.txt").read_text().split()
    )
    assert not list(broken.glob("*.part")) and not (broken / write.JOURNAL).exists()


def test_bad_files_are_listed_and_left_out(folder, tmp_path, capsys):
    (folder / "train" / "dog" / "3.jpg").write_bytes(jpeg(1, 103)[:300])
    (folder / "val" / "cat" / "0.jpg").write_text("not an image")
    assert (
        prepare_data.main(
            ["--source", str(folder), "--out", str(tmp_path / "out"), "--name", "pets"]
        )
        == 0
    )
    assert "2 images were left out" in capsys.readouterr().out
    listed = (tmp_path / "out" / "pets" / "1.0.0" / "bad_files.txt").read_text().splitlines()
    assert len(listed) == 2 and any(
        line.startswith("train/dog/3.jpg is cut short") for line in listed
    )
    source = open_source(Data(name="pets", data_dir=str(tmp_path / "out")), "train")
    assert len(source) == 39 and [e.label for e in source] == brightness(source)


def test_the_short_side_is_shrunk_and_small_images_stay():
    large, small = jpeg(1, 0, (300, 400)), jpeg(1, 0, (40, 60))
    options = write.Options(short_side=100, quality=95)
    shrunk = cv2.imdecode(
        np.frombuffer(write.convert_image(large, "x", options), np.uint8), cv2.IMREAD_COLOR
    )
    assert shrunk.shape == (100, 133, 3) and shrunk.mean() == pytest.approx(29.5, abs=1)
    assert write.convert_image(small, "x", options) is small
    grey = cv2.imencode(".png", np.full((200, 300), 7, np.uint8))[1].tobytes()
    assert cv2.imdecode(
        np.frombuffer(write.convert_image(grey, "x", options), np.uint8), cv2.IMREAD_UNCHANGED
    ).shape == (100, 150)


def test_ilsvrc_archives(archives, tmp_path, capsys):
    assert prepare_data.main(["--source", str(archives), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert (
        "validation: 5 images, not the 50,000 there should be" in said.err
        and "train: 21 images" in said.out
    )
    data = Data(name="imagenet2012", data_dir=str(tmp_path / "out"))
    for split, count in (("train", 21), ("validation", 5)):
        source = open_source(data, split)
        assert len(source) == count and [e.label + 1 for e in source] == brightness(source)
    assert source.class_names == ["n00000001", "n00000002", "n00000003"]


def test_incomplete_archives_say_what_is_missing(archives):
    (archives / DEVKIT).unlink()
    with pytest.raises(DataError, match=rf"needs {DEVKIT} beside it"):
        list_ilsvrc(archives)
    (archives / VALIDATION).unlink()
    assert {split: len(entries) for split, entries in list_ilsvrc(archives).splits.items()} == {
        "train": 21
    }


def test_a_tfrecord_directory_is_converted_record_by_record(tmp_path):
    """TFRecord's frame by its definition; the checksum against the published vector of CRC-32C."""
    assert (
        masked_crc32c(b"123456789")
        == (((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    )
    source = tmp_path / "old" / "pets" / "3.1.0"
    source.mkdir(parents=True)
    records = [
        write.make_example({"image": jpeg(i % 2, i), "label": i % 2, "file_name": b"%d.jpg" % i})
        for i in range(6)
    ]
    frames = [
        struct.pack("<Q", len(r))
        + struct.pack("<I", masked_crc32c(struct.pack("<Q", len(r))))
        + r
        + bytes(4)
        for r in records
    ]
    (source / "pets-train.tfrecord-00000-of-00001").write_bytes(b"".join(frames))
    (source / "features.json").write_text(
        json.dumps(write.image_features(["cat", "dog"], jpeg=True))
    )
    (source / "label.labels.txt").write_text("cat\ndog\n")
    info = {
        "name": "pets",
        "version": "3.1.0",
        "fileFormat": "tfrecord",
        "splits": [{"name": "train", "shardLengths": ["6"], "numBytes": "1"}],
    }
    info["splits"][0]["filepathTemplate"] = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
    (source / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match=r"prepare_data\.py --source"):
        open_source(Data(name="pets", data_dir=str(tmp_path / "old")), "train")
    assert prepare_data.main(["--source", str(source), "--out", str(tmp_path / "new")]) == 0
    converted = open_source(Data(name="pets", data_dir=str(tmp_path / "new")), "train")
    assert [e.image for e in converted] == [
        jpeg(i % 2, i) for i in range(6)
    ] and converted.class_names == ["cat", "dog"]
    for damaged, expected in (
        (b"".join(frames)[:-9], "cut short"),
        (b"x" + b"".join(frames)[1:], "damaged at byte 0"),
    ):
        (source / "pets-train.tfrecord-00000-of-00001").write_bytes(damaged)
        with pytest.raises(DataError, match=expected):
            list(read_tfrecords(source / "pets-train.tfrecord-00000-of-00001"))


def test_statistics_against_numpy(folder, tmp_path, capsys):
    prepare_data.main(["--source", str(folder), "--out", str(tmp_path), "--name", "pets"])
    arguments = [
        "--statistics",
        str(tmp_path),
        "--name",
        "pets",
        "--image-size",
        "40",
        "--out",
        str(tmp_path / "stats"),
    ]
    assert prepare_data.main(arguments) == 0
    assert "--config.data.pca=" in capsys.readouterr().out
    source = open_source(Data(name="pets", data_dir=str(tmp_path)), "train")
    images = np.stack(
        [
            cv2.imdecode(np.frombuffer(e.image, np.uint8), cv2.IMREAD_COLOR_RGB)[:, 10:50]
            for e in source
        ]
    ).astype(np.float64)
    pixels = images.reshape(-1, 3)
    with np.load(tmp_path / "stats" / "pca.npz") as stored:
        axes, deviations = stored["axes"], stored["deviations"]
        assert stored["mean"] == pytest.approx(pixels.mean(axis=0)) and stored[
            "std"
        ] == pytest.approx(pixels.std(axis=0))
    assert axes @ np.diag(deviations**2) @ axes.T == pytest.approx(np.cov(pixels.T, bias=True))
    assert np.abs(np.load(tmp_path / "stats" / "mean_image.npy") - images.mean(axis=0)).max() < 1e-4
    assert statistics.measure(Data(name="pets", data_dir=str(tmp_path)), 40, limit=7)[
        "mean_image"
    ].shape == (40, 40, 3)


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (200, 3)])
def test_contact_sheet(tmp_path, size, channels):
    images = np.zeros((5, size, size, channels), np.uint8)
    images[..., 0] = 10 * np.arange(5)[:, None, None]
    batch = {"image": images, "label": np.arange(5), "mask": np.array([1, 1, 0, 1, 1])}
    path = contact_sheet(batch, ["a", "b", "c", "d, delta", "é"], tmp_path / "sheet.png")
    sheet = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert sheet.shape == (2 * 146, 2 * 128, 3)
    assert [sheet[64 + 146 * r, 64 + 128 * c, 0] for r in (0, 1) for c in (0, 1)] == [0, 10, 30, 40]
    with pytest.raises(DataError, match="cannot be written"):
        contact_sheet(batch, list("abcde"), tmp_path / "none" / "sheet.png")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--source", "/nowhere", "--out", "x"], "is not a folder"),
        (["--statistics", "/nowhere", "--out", "x"], "does not exist"),
    ],
)
def test_mistakes_are_one_sentence(arguments, expected, capsys):
    assert prepare_data.main(arguments) == 1
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1
