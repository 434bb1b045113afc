"""The launcher of several processes on one machine, with stubs in place of training."""

import os
import signal
import threading
import time
import types

import pytest

from jaxcnn.errors import STOPPED, USAGE
from scripts import launch_local

STUB = """
import signal, sys, time, pathlib
number = next(int(a[-1]) for a in sys.argv if "process_id" in a)
mode, place = sys.argv[1], pathlib.Path(sys.argv[2])
(place / f"{number}.{time.monotonic_ns()}").touch()
first = len(list(place.glob(f"{number}.*"))) == 1
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("here", flush=True)
(place / f"{number}.ready").touch()
if mode == "wait":
    time.sleep(60)
if mode == "die" and number == 1 and first:
    signal.raise_signal(signal.SIGKILL)
if mode == "die" and number == 0 and first:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
sys.exit(2 if mode == "usage" and number == 1 else 0)
"""


@pytest.fixture
def launcher(tmp_path):
    """Makes launchers of STUB; restores the handlers of signals that they set."""

    def make(mode, **options):
        given = dict(processes=2, devices=1, max_restarts=0, grace=0.3) | options
        command = ["-c", STUB, mode, str(tmp_path)]
        return launch_local.Launcher(command, types.SimpleNamespace(**given))

    kept = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    yield make
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), kept, strict=True):
        signal.signal(number, handler)


def test_the_launcher_says_who_died_and_starts_all_again(launcher, capfd, tmp_path):
    start = time.monotonic()
    assert launcher("die", max_restarts=2).run() == 0
    assert time.monotonic() - start < 30
    said = capfd.readouterr().out
    assert (
        "[launcher] process 1 was killed by SIGKILL; those that still run, 1, have 0.3 s to end"
        in said
    )
    assert "[launcher] restart 1 of 2" in said and "restart 2" not in said
    assert "[0] here" in said and "[1] here" in said
    assert len(list(tmp_path.glob("0.*[0-9]"))) == 2


def test_the_launcher_gives_up_when_restarts_are_spent(launcher, capfd):
    assert launcher("die").run() == 128 + signal.SIGKILL


def test_the_launcher_does_not_repeat_what_cannot_work(launcher, tmp_path):
    assert launcher("usage", max_restarts=5).run() == USAGE == 2
    assert len(list(tmp_path.glob("1.*[0-9]"))) == 1


def test_the_launcher_passes_a_signal_on_once(launcher, tmp_path):
    def terminate():
        while len(list(tmp_path.glob("*.ready"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    watching = threading.Thread(target=terminate)
    watching.start()
    assert launcher("wait", max_restarts=5).run() == STOPPED == 75
    watching.join()
    assert len(list(tmp_path.glob("*.ready"))) == 2
