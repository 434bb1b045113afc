"""Whole runs of jaxcnn.main that are killed, cut off from their disk or denied it, for test_faults.py: python tests/support/sittings.py WHICH FOLDER.

Every sitting is a process of its own, forked before JAX has touched a device, so that the imports are paid once. What each one returned and
said is printed as one JSON object.
"""

import json
import os
import pathlib
import signal
import sys
import time
import warnings

import sklearn.datasets  # noqa: F401
import tensorboardX.summary  # noqa: F401

from jaxcnn import main
from jaxcnn.checkpoint import manager
from jaxcnn.draw import plots
from jaxcnn.train import loop, preflight  # noqa: F401  (main imports it later, in every sitting)

warnings.filterwarnings("ignore", message=r"os\.fork\(\) was called")  # the parent never uses JAX
SETTINGS = (
    "data.batch_size=64", "optim.learning_rate=0.02", "optim.ema=0.9", "optim.steps=18", "log_every=3", "eval_every=99",
    "checkpoint_every=0.13", "data.augment=()", "tensorboard=True",
)  # fmt: skip
KILLS = ((1, 0.0), (2, 0.0), (2, 0.02))  # (which save of the sitting, seconds after it began)


def arguments(workdir: pathlib.Path) -> list[str]:
    return [
        "main",
        "--config=configs/lenet.py",
        f"--workdir={workdir}",
        *(f"--config.{s}" for s in SETTINGS),
    ]


def start(workdir: pathlib.Path, log: pathlib.Path, prepare=None) -> int:
    """The pid of a new sitting; `prepare` is called in it first."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        out = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        plots.of_run = lambda *_: []  # pictures are for other tests
        preflight.sheet = lambda *_: None
        if prepare:
            prepare()
        code = main.main(arguments(workdir))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def finish(pid: int, log: pathlib.Path) -> dict:
    """{code, said} of a sitting once it has ended; a code below 0 is the signal that ended it."""
    return {"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "said": log.read_text()}


def sitting(workdir: pathlib.Path, log: pathlib.Path, prepare=None) -> dict:
    return finish(start(workdir, log, prepare), log)


def steps(workdir: pathlib.Path) -> list[int]:
    return sorted(int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit())


def unfinished(workdir: pathlib.Path) -> set[str]:
    return {p.name for p in (workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")}


def digest(workdir: pathlib.Path) -> str:
    return json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])["digest"]


def kill_while_saving(workdir: pathlib.Path, log: pathlib.Path, which: int, delay: float) -> dict:
    """Kills a sitting `delay` seconds after the temporary directory of its save number `which` has appeared."""
    pid, seen, deadline = start(workdir, log), set(), time.monotonic() + 60
    while len(seen) < which and time.monotonic() < deadline:
        seen |= unfinished(workdir)
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return finish(pid, log) | {"unfinished": sorted(unfinished(workdir)), "steps": steps(workdir)}


def undisturbed(base: pathlib.Path) -> str:
    """The digest of a run that nothing happened to; the first to ask makes it."""
    workdir = base / "undisturbed"
    if not workdir.is_dir():
        sitting(workdir, base / "log")
    return digest(workdir)


def kills(base: pathlib.Path) -> dict:
    """A run that is killed in the middle of its saves."""
    cut, found = base / "killed", {"digest": undisturbed(base)}
    found["kills"] = [kill_while_saving(cut, base / "log", *kill) for kill in KILLS]
    found["last"] = sitting(cut, base / "log")
    return found | {"killed_digest": digest(cut), "left": sorted(unfinished(cut))}


def fill_up_at_the_second_save(disk: pathlib.Path) -> None:
    save, count = manager.Checkpointer.save, [0]

    def filling(self, *given):
        count[0] += 1
        if count[0] == 2:
            self.poll(wait=True)
            with (disk / "ballast").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        save(self, *given)

    manager.Checkpointer.save = filling


def full(base: pathlib.Path) -> dict:
    """In a namespace of its own: a disk of `base`/disk that fills up during the second save, and is emptied; one that is read-only."""
    disk, log = base / "disk", base / "log"
    workdir = disk / "run"
    found = {
        "full": sitting(workdir, log, lambda: fill_up_at_the_second_save(disk)),
        "steps": steps(workdir),
    }
    (disk / "ballast").unlink()
    found["again"] = sitting(workdir, log)
    found |= {"full_digest": digest(workdir), "digest": undisturbed(base)}
    found["read_only"] = [sitting(base / "read_only" / name, log) for name in (".", "new")]
    return found


if __name__ == "__main__":
    print(json.dumps({"kills": kills, "full": full}[sys.argv[1]](pathlib.Path(sys.argv[2]))))
