"""The watchdog ends a run that stands still, and says where it stood."""

import re
import subprocess
import sys
import time

from jaxcnn.errors import Stalled

STALLING = """
import pathlib, sys, time
from jaxcnn.run.watchdog import Watchdog
def hanging_loader():
    time.sleep(60)
with Watchdog(0.8, pathlib.Path(sys.argv[1])) as dog:
    for _ in range(4):
        time.sleep(0.4)
        dog.beat()
    print("moved", flush=True)
    hanging_loader()
"""


def test_a_stall_ends_the_process_and_says_where_it_stood(tmp_path):
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", STALLING, tmp_path], capture_output=True, text=True, timeout=50
    )
    assert ended.returncode == Stalled.exit_code and time.monotonic() - start < 45
    assert ended.stdout == "moved\n"  # beats kept it alive for twice the limit
    assert re.search(r"^error: nothing has moved for 1 s .*stall-0.txt", ended.stderr)
    assert "in hanging_loader" in (tmp_path / "stall-0.txt").read_text()
