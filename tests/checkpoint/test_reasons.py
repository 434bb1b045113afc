"""What Orbax and TensorStore say, on one line."""

import errno
import os

import pytest
import tensorstore

from jaxcnn.checkpoint.reasons import MOST, reason, system_error


def test_tensorstore_still_words_an_error_of_the_system_so(tmp_path):
    """The installed TensorStore, asked for an array in a folder that cannot be made."""
    (tmp_path / "file").write_text("")
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{tmp_path}/file/array/"},
        "metadata": {"dtype": "<f4", "shape": [2], "chunks": [2]},
    }
    with pytest.raises((ValueError, OSError)) as caught:
        tensorstore.open(spec, create=True).result()
    assert len(str(caught.value)) > 200
    assert reason(caught.value) == os.strerror(errno.ENOTDIR)


def test_an_error_that_is_none_of_the_system_keeps_its_words():
    assert system_error("checkpoint 3: no item named ema [details]") == ""
    assert reason(ValueError("two\n lines")) == "two lines"
    assert reason(KeyError()) == "KeyError"
    long = reason(ValueError("x" * 999))
    assert long == "x" * MOST + " ..."


def test_the_innermost_cause_is_told():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as error:
        assert reason(error) == "[Errno 28] No space left on device"
