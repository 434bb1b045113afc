"""Whole runs of jaxcnn.main that are killed, stopped or denied their disk: test_sittings.py.

  python tests/support/sittings.py WHICH FOLDER

Every sitting is a process of its own, forked before JAX has touched a device, so that the imports
are paid once. The parent watches the workdir and does to the sitting what happens to runs. What
each sitting returned and said is printed as one JSON object.
"""

import json
import os
import pathlib
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable

# What main imports only after its flags, in every sitting.
import matplotlib.backends.backend_agg  # noqa: F401
import sklearn.datasets  # noqa: F401
import tensorboardX.summary  # noqa: F401

import jaxcnn.train.loop  # noqa: F401
from jaxcnn import main

# The parent never uses JAX.
warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")
SETTINGS = (
    "data.batch_size=64",
    "optim.learning_rate=0.02",
    "optim.ema=0.9",
    "optim.steps=30",
    "log_every=3",
    "eval_every=99",
    "checkpoint_every=0.13",
    "data.augment=()",
    "tensorboard=True",
)
# (which save of the sitting, seconds after it began) of each kill.
KILLS = ((1, 0.0), (2, 0.0), (2, 0.02))


def start(workdir: pathlib.Path, log: pathlib.Path, *settings: str) -> int:
    """Starts a sitting and returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    given = [f"--config.{setting}" for setting in (*SETTINGS, *settings)]
    try:
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = main.main(["main", "--config=configs/lenet.py", f"--workdir={workdir}", *given])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(pid: int, log: pathlib.Path) -> dict:
    """{code, said} of a sitting once it has ended; a code below 0 is the signal that ended it."""
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "said": log.read_text()}


def sitting(workdir: pathlib.Path, log: pathlib.Path, *settings: str) -> dict:
    """A sitting that is left alone."""
    return finish(start(workdir, log, *settings), log)


def once(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Waits until something has happened."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)


def steps(workdir: pathlib.Path) -> list[int]:
    """The steps of the complete checkpoints."""
    return sorted(int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit())


def unfinished(workdir: pathlib.Path) -> set[str]:
    """The names of checkpoints that are being written, or were when their process was killed."""
    return {p.name for p in (workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")}


def last_row(workdir: pathlib.Path) -> dict:
    """The final row of a run."""
    return json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])


def kill_while_saving(workdir: pathlib.Path, log: pathlib.Path, which: int, delay: float) -> dict:
    """Kills a sitting `delay` seconds after it has begun its save number `which`."""
    pid, seen = start(workdir, log), set()

    def saving() -> bool:
        seen.update(unfinished(workdir))
        return len(seen) >= which

    once(saving)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    ended = finish(pid, log)
    return ended | {"unfinished": sorted(unfinished(workdir)), "steps": steps(workdir)}


def undisturbed(base: pathlib.Path) -> str:
    """The digest of a run that nothing happened to; the first to ask makes it."""
    workdir = base / "undisturbed"
    if not workdir.is_dir():
        sitting(workdir, base / "log")
    return last_row(workdir)["digest"]


def kills(base: pathlib.Path) -> dict:
    """A run that is killed in the middle of its saves."""
    workdir, log = base / "killed", base / "log"
    told: dict = {"digest": undisturbed(base)}
    told["kills"] = [kill_while_saving(workdir, log, *kill) for kill in KILLS]
    told["last"] = sitting(workdir, log)
    return told | {
        "killed_digest": last_row(workdir)["digest"],
        "left": sorted(unfinished(workdir)),
    }


def stopped(base: pathlib.Path) -> dict:
    """A run that Ctrl-C stops before its first line of metrics, and that goes on."""
    workdir, log = base / "stopped", base / "log"
    told: dict = {"digest": undisturbed(base)}
    pid = start(workdir, log, "log_every=99", "checkpoint_every=99")
    once((workdir / "sittings.json").is_file)
    os.kill(pid, signal.SIGINT)
    told["stopped"] = finish(pid, log)
    told["rows"] = (workdir / "metrics.jsonl").read_text()
    told["again"] = sitting(workdir, log)
    return told | {"last_row": last_row(workdir)}


def fill(disk: pathlib.Path) -> None:
    """Leaves no byte free on `disk`."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def after_a_save(workdir: pathlib.Path, log: pathlib.Path, act: Callable[[int], None]) -> dict:
    """A sitting to which `act(pid)` happens once a checkpoint and its checksums are complete."""
    pid = start(workdir, log)
    once(lambda: any((workdir / "checkpoints" / "checksums").glob("*.json")))
    act(pid)
    return finish(pid, log) | {"steps": steps(workdir)}


def refused(base: pathlib.Path) -> dict:
    """The kernel refuses files above 64 KiB, as a quota would, and then takes them again."""
    workdir, log = base / "refused", base / "log"
    told: dict = {"digest": undisturbed(base)}
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def refuse(pid: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 16, hard))

    told["refused"] = after_a_save(workdir, log, refuse)
    told["again"] = sitting(workdir, log)
    return told | {"refused_digest": last_row(workdir)["digest"]}


def full(base: pathlib.Path) -> dict:
    """In a namespace of its own: a disk that fills up and is emptied; one that is read-only."""
    disk, log = base / "disk", base / "log"
    workdir = disk / "run"
    told: dict = {"full": after_a_save(workdir, log, lambda _: fill(disk))}
    (disk / "ballast").unlink()
    told["again"] = sitting(workdir, log)
    told |= {"full_digest": last_row(workdir)["digest"], "digest": undisturbed(base)}
    told["read_only"] = [sitting(base / "read_only" / name, log) for name in (".", "new")]
    return told


if __name__ == "__main__":
    which = {"kills": kills, "stopped": stopped, "refused": refused, "full": full}[sys.argv[1]]
    print(json.dumps(which(pathlib.Path(sys.argv[2]))))
