"""ILSVRC's archives."""

import pytest

from jaxcnn.data.prepare.entries import DEVKIT, VALIDATION, list_ilsvrc
from jaxcnn.errors import DataError


def test_incomplete_archives_say_what_is_missing(archives):
    (archives / DEVKIT).unlink()
    with pytest.raises(DataError, match=rf"needs {DEVKIT} beside it"):
        list_ilsvrc(archives)
    (archives / VALIDATION).unlink()
    splits = list_ilsvrc(archives).splits
    assert list(splits) == ["train"] and len(splits["train"]) == 21
