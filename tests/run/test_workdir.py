"""A run's working directory: written by one run at a time, of one config, with enough space."""

import os
import shutil
import subprocess
import sys

import pytest

from jaxcnn.config.schema import Config, Optim
from jaxcnn.errors import ConfigError, RunError
from jaxcnn.run.workdir import check_config, check_space, locked, open_workdir, write_config


def test_a_workdir_is_made_and_must_be_writable(tmp_path):
    path = open_workdir(tmp_path / "a" / "b")
    assert path.is_dir() and list(path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written: Not a directory; choose another"):
        open_workdir(tmp_path / "file" / "run")


def test_the_space_that_a_run_has_taken_is_not_asked_for_again(tmp_path, monkeypatch):
    (tmp_path / "checkpoints" / "3").mkdir(parents=True)
    (tmp_path / "checkpoints" / "3" / "array").write_bytes(bytes(2**20))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    check_space(tmp_path, 1.99)
    with pytest.raises(RunError, match=r"has 2 MiB left .* about 3; free some or choose another"):
        check_space(tmp_path, 3)


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path):
    code = (
        "import pathlib, sys, jaxcnn.run.workdir as w\n"
        "with w.locked(pathlib.Path(sys.argv[1])):\n    print('held', flush=True); input()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdin and first.stdout and first.stdout.readline() == b"held\n"
    with pytest.raises(RunError, match=f"another run .process {first.pid}. is"), locked(tmp_path):
        pass
    first.kill()
    first.wait()
    first.stdin.close()
    first.stdout.close()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_what_changes_the_numbers_is_refused_and_the_rest_is_listed(tmp_path):
    assert check_config(tmp_path, Config()) == {}
    write_config(tmp_path, Config())
    assert check_config(tmp_path, Config(log_every=7)) == {"log_every": (50, 7)}
    changed = Config(seed=5, optim=Optim(momentum=0.5), log_every=7)
    with pytest.raises(
        ConfigError, match=r"\(optim.momentum was 0.9, now 0.5; seed was 0, now 5\)"
    ):
        check_config(tmp_path, changed)


def test_a_config_of_another_version_is_one_sentence(tmp_path):
    (tmp_path / "config.json").write_text('{"optim": {"lr": 1.0}}')
    with pytest.raises(ConfigError, match=r"is of another version of jaxcnn: .*no field 'lr'"):
        check_config(tmp_path, Config())


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{", b"\xff\xfe"])
def test_a_damaged_config_of_a_run_is_one_sentence(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match="is not readable JSON; restore it"):
        check_config(tmp_path, Config())
