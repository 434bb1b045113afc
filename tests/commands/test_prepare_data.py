"""The command that prepares datasets."""

import pytest
from archives import brightness, jpeg, make_ilsvrc, make_pets

from jaxcnn.commands import prepare_data
from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import open_source


@pytest.fixture
def folder(tmp_path):
    make_pets(tmp_path / "Two Pets")
    return tmp_path / "Two Pets"


@pytest.fixture
def archives(tmp_path):
    make_ilsvrc(tmp_path / "archives")
    return tmp_path / "archives"


def test_a_folder_becomes_a_dataset_that_tfds_reads(folder, tmp_path, capsys):
    import tensorflow_datasets as tfds

    assert prepare_data.main(["--source", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "train: 40 images" in capsys.readouterr().out
    data = Data(name="two_pets", data_dir=str(tmp_path / "out"))
    source = open_source(data, "train")
    assert len(source) == 40
    assert source.class_names == ["cat", "dog"]
    assert source.splits == {"train": 40, "validation": 8}
    assert [e.label for e in source] == brightness(source)
    assert 5 < sum(e.label for e in open_source(data, "train[:50%]")) < 15  # not sorted by class
    builder = tfds.builder_from_directory(tmp_path / "out" / "two_pets" / "1.0.0")
    record = builder.as_data_source("validation")[3]
    label = builder.info.features["label"].int2str(record["label"])
    assert record["image"].shape == (40, 60, 3) and label in ("cat", "dog")
    original = folder / "val" / label / record["file_name"].decode()
    assert open_source(data, "validation")[3].image == original.read_bytes()


def test_bad_files_are_listed_and_left_out(folder, tmp_path, capsys):
    (folder / "train" / "dog" / "3.jpg").write_bytes(jpeg(1, 103)[:300])
    (folder / "val" / "cat" / "0.jpg").write_text("not an image")
    command = ["--source", str(folder), "--out", str(tmp_path / "out"), "--name", "pets"]
    assert prepare_data.main(command) == 0
    assert "2 images were left out" in capsys.readouterr().out
    listed = (tmp_path / "out" / "pets" / "1.0.0" / "bad_files.txt").read_text().splitlines()
    assert len(listed) == 2
    assert any(line.startswith("train/dog/3.jpg is cut short") for line in listed)
    source = open_source(Data(name="pets", data_dir=str(tmp_path / "out")), "train")
    assert len(source) == 39 and [e.label for e in source] == brightness(source)


def test_ilsvrc_archives(archives, tmp_path, capsys):
    assert prepare_data.main(["--source", str(archives), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "validation: 5 images, not the 50,000 there should be" in said.err
    assert "train: 21 images" in said.out
    data = Data(name="imagenet2012", data_dir=str(tmp_path / "out"))
    for split, count in (("train", 21), ("validation", 5)):
        source = open_source(data, split)
        assert len(source) == count and [e.label + 1 for e in source] == brightness(source)
    assert source.class_names == ["n00000001", "n00000002", "n00000003"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--source", "/nowhere", "--out", "x"], "is not a folder"),
        (["--statistics", "/nowhere", "--out", "x"], "does not exist"),
    ],
)
def test_mistakes_are_one_sentence(arguments, expected, capsys):
    assert prepare_data.main(arguments) == 2
    said = capsys.readouterr().err
    assert expected in said and said.count("\n") == 1
