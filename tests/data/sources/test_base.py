"""How splits of a source are written."""

import pytest

from jaxcnn.data.sources.base import split_indices
from jaxcnn.errors import DataError


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", range(1000)),
        ("train[:10]", range(10)),
        ("train[-3:]", range(997, 1000)),
        ("train[10%:20%]", range(100, 200)),
        ("train[ 995 : 50000 ]", range(995, 1000)),
        ("train[99%:]+val[:2]", [*range(990, 1000), 0, 1]),
    ],
)
def test_split_slices(split, expected):
    assert [
        i for _, part in split_indices(split, {"train": 1000, "val": 7}, "x") for i in part
    ] == list(expected)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("test", 'no split "test"; it has train, val'),
        ("train[", "does not read"),
        ("train[5]", "does not read"),
        ("train[5:5]", "is empty"),
    ],
)
def test_split_that_do_not_exist(split, expected):
    with pytest.raises(DataError, match=expected):
        split_indices(split, {"train": 1000, "val": 7}, "x")
