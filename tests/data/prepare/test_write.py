"""Datasets written from folders: what TFDS itself reads afterwards, resumption, damage."""

import pytest

from jaxcnn.data.prepare.convert import Options
from jaxcnn.data.prepare.entries import list_folder
from jaxcnn.data.prepare.journal import JOURNAL, sha256
from jaxcnn.data.prepare.write import write_dataset
from jaxcnn.errors import DataError


def test_checksums_are_those_of_the_files(folder, tmp_path):
    place = tmp_path / "pets" / "1.0.0"
    write_dataset(list_folder(folder), place, Options(), lambda *_: None, shards={"train": 3})
    lines = [line.split() for line in (place / "checksums.txt").read_text().splitlines()]
    assert len(lines) == 4 and all(sha256(place / name) == digest for digest, name in lines)
    with pytest.raises(DataError, match="already prepared"):
        write_dataset(list_folder(folder), place, Options(), lambda *_: None)


def test_an_interrupted_run_goes_on_and_ends_the_same(folder, tmp_path):
    listing = list_folder(folder)
    whole, broken = tmp_path / "pets" / "1.0.0", tmp_path / "pets" / "2.0.0"
    write_dataset(listing, whole, Options(), lambda *_: None, shards={"train": 4})

    class Killed(Exception):
        pass

    def kill(split, done, total):
        if done >= 20:
            raise Killed

    with pytest.raises(Killed):
        write_dataset(listing, broken, Options(), kill, shards={"train": 4})
    first = broken / "pets-train.array_record-00000-of-00004"
    made = first.stat().st_mtime_ns
    # What is cut short is noticed and made again.
    (broken / "pets-train.array_record-00001-of-00004").write_bytes(b"cut")
    with pytest.raises(DataError, match="other images or options"):
        write_dataset(listing, broken, Options(short_side=30), lambda *_: None, shards={"train": 4})
    write_dataset(listing, broken, Options(), lambda *_: None, shards={"train": 4})
    assert first.stat().st_mtime_ns == made
    sums = [sorted((place / "checksums.txt").read_text().split()) for place in (broken, whole)]
    assert sums[0] == sums[1]
    assert not list(broken.glob("*.part")) and not (broken / JOURNAL).exists()
