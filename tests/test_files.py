"""Files are written whole or not at all, and a disk that fails is one sentence."""

import errno
import resource

import pytest

from jaxcnn.errors import RunError, WriteError
from jaxcnn.files import replace_text, replacing, writing


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    replace_text(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"  # until it is complete
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    replace_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_file_that_the_kernel_refuses_is_one_sentence(tmp_path):
    path = tmp_path / "a.json"
    replace_text(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WriteError, match=r"^File too large \(.*a.json\); free space or mount"):
            replace_text(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_writing_names_the_place_and_passes_on_what_has_a_sentence(tmp_path):
    with pytest.raises(WriteError, match=r"No such file or directory"), writing(tmp_path):
        (tmp_path / "nowhere" / "a").write_text("")
    with pytest.raises(WriteError, match=r"No space left .*\(runs/x\)"), writing("runs/x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(RunError, match=r"^already said$"), writing("runs/x"):
        raise RunError("already said")
