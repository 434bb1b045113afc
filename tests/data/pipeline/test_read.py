"""Records read in order by several threads, corrupt ones an error or left out."""

import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.pipeline.read import read_in_order
from jaxcnn.data.sources.base import Example
from jaxcnn.errors import DataError


class Numbers:
    """Records 0, 1, 2 ..., whose label is their number; record 21 is corrupt."""

    name, split = "numbers", "all"

    def __len__(self):
        return 60

    def __getitem__(self, index):
        return Example(bytes([index]), int(index), f"record {index}")

    def fetch(self, indices):
        return [self[int(i)] for i in indices]


def doubled(example):
    if example.label == 21:
        raise DataError(f"{example.key} is corrupt")
    return 2 * example.image[0]


@pytest.mark.parametrize("threads", [1, 3])
def test_every_record_comes_once_in_order(threads):
    data = Data(threads=threads, on_corrupt="skip")
    seen = list(read_in_order(data, Numbers(), range(5, 58), doubled))
    assert [read.index for read in seen] == list(range(5, 58))
    for read in seen:
        made = None if read.index == 21 else 2 * read.index
        assert read.made == made
        assert read.made is None or (read.label, read.key) == (read.index, f"record {read.index}")


def test_a_corrupt_record_is_an_error():
    with pytest.raises(DataError, match="record 21 is corrupt"):
        list(read_in_order(Data(threads=2), Numbers(), range(60), doubled))


def test_no_records_are_nothing():
    assert list(read_in_order(Data(), Numbers(), range(60, 60), doubled)) == []
