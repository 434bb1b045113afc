"""Sittings in processes of their own, which are killed, stopped, or denied their disk from outside.

docs/reliability.md lists the faults.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from places import REPOSITORY
from sentences import one_sentence

from jaxcnn.errors import FAILED, STOPPED


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Where tests/support/sittings.py works: several tests use its undisturbed run and programs."""
    return tmp_path_factory.mktemp("sittings")


def sittings(which, folder, *before):
    """What tests/support/sittings.py tells, without the eight devices of this process."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "PYTHONPATH": str(REPOSITORY),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [*before, sys.executable, "tests/support/sittings.py", which, str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def runs_own_lines(said):
    """Those of the lines `said` that a run says when nothing is wrong."""
    own = ("lenet,", "step ", "reading ", "compiling ")
    return [line for line in said if line.startswith(own)]


@pytest.mark.slow
def test_killed_in_the_middle_of_writing_checkpoints(shared):
    told = sittings("kills", shared)
    assert told["last"]["code"] == 0, told
    assert [kill["code"] for kill in told["kills"]] == [-signal.SIGKILL] * 3
    # They hit what they aimed at.
    assert sum(bool(kill["unfinished"]) for kill in told["kills"]) >= 2
    # What was complete stayed, and each sitting went on from it.
    newest = [max(kill["steps"], default=0) for kill in told["kills"]]
    assert newest == sorted(newest) and newest[-1] >= 6
    assert f"resuming at step {newest[-1]} of 30" in told["last"]["said"]
    assert told["killed_digest"] == told["digest"] and told["left"] == []


@pytest.mark.slow
def test_a_run_stopped_before_a_row_was_due_counts_as_a_sitting(shared):
    told = sittings("stopped", shared)
    assert told["stopped"]["code"] == STOPPED, told
    (row,) = map(json.loads, told["rows"].splitlines())  # what was trained until the stop
    said = f"stopped at step {row['step']} of 30; the same command resumes from there"
    assert said in told["stopped"]["said"]
    assert told["again"]["code"] == 0 and told["last_row"]["sittings"] == 2
    assert told["last_row"]["digest"] == told["digest"]


@pytest.mark.slow
def test_a_save_that_cannot_be_written(shared):
    told = sittings("refused", shared)
    said, newest = told["refused"]["said"].splitlines(), max(told["refused"]["steps"])
    assert told["refused"]["code"] == FAILED
    kept = f"the newest complete one is step {newest}"
    assert one_sentence(said[-1], "File too large", kept, "run the same command again"), said
    assert len(runs_own_lines(said)) == len(said) - 1  # nothing of the libraries' own
    assert told["again"]["code"] == 0 and f"resuming at step {newest}" in told["again"]["said"]
    assert told["refused_digest"] == told["digest"]


@pytest.mark.slow
def test_a_disk_that_fills_up_and_one_that_is_read_only(shared):
    """On real file systems in a mount namespace: also for root, whom permissions do not stop."""
    mounts = 'mount -t tmpfs -o size=6m none "$0/disk" && mount -t tmpfs -o ro none "$0/read_only"'
    for name in ("disk", "read_only"):
        (shared / name).mkdir()
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare here, to mount small disks in a namespace")
    alone = ["unshare", "-rm", "sh", "-c"]
    tried = subprocess.run([*alone, mounts, shared], capture_output=True, text=True)
    if tried.returncode:
        why = tried.stderr.strip()
        pytest.skip(f"this machine lets nobody mount small disks in a namespace: {why}")
    told = sittings("full", shared, *alone, f'{mounts} && exec "$@"', str(shared))
    said, newest = told["full"]["said"].splitlines(), max(told["full"]["steps"])
    assert told["full"]["code"] == FAILED
    assert one_sentence(said[-1], "No space left on device"), said
    assert len(runs_own_lines(said)) == len(said) - 1
    assert told["again"]["code"] == 0 and f"resuming at step {newest}" in told["again"]["said"]
    assert told["full_digest"] == told["digest"]
    for sitting in told["read_only"]:
        assert sitting["code"] == FAILED
        words = ("cannot be written: Read-only file system", "--workdir")
        assert one_sentence(sitting["said"], *words)
