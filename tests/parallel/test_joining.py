"""The start and the end of processes, where there is one process or nobody comes."""

import subprocess
import sys

from places import REPOSITORY

from jaxcnn.parallel import joining


def test_nobody_at_the_coordinator_is_one_sentence(tmp_path):
    flags = [
        "--coordinator_address=127.0.0.1:1",
        "--num_processes=2",
        "--process_id=1",
        "--start_timeout=2",
    ]
    command = [
        sys.executable,
        "-m",
        "jaxcnn.main",
        "--config=configs/lenet.py",
        f"--workdir={tmp_path}",
        *flags,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPOSITORY)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: no start within 2 s at the coordinator 127.0.0.1:1: nothing answers there"
    ), done.stderr
    assert done.stderr.count("\n") == 1


def test_a_single_process_ends_nobody_and_waits_for_nobody():
    assert joining.end("still here", 3) is None
    assert joining.wait_for_words(60) is None
