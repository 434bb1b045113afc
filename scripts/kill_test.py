"""Kills a training run with SIGKILL at random moments.

Checks that it ends with the digest of an undisturbed run.

  python scripts/kill_test.py --kills 20
  python scripts/kill_test.py --kills 5 --runs 4 --config configs/lenet.py:lenet5 \\
    --set optim.epochs=3 --set data.name=mnist
  python scripts/kill_test.py --kills 5 --processes 2

Every run trains to its end undisturbed once. Then the same run is started in another workdir and
killed again and again, each time at a moment drawn between its start and its end, and started anew
until it has finished. With --processes the run is one of scripts/launch_local.py, a kill hits one
process drawn at random, every fifth one all of them, and the launcher starts them anew. Exit code
0 if all digests are equal.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

LAUNCHER = pathlib.Path(__file__).with_name("launch_local.py")
DEFAULTS = (
    "optim.epochs=12",
    "checkpoint_every=0.5",
    "eval_every=2",
    "log_every=20",
    "tensorboard=False",
)
PIPED = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


@dataclasses.dataclass
class Trial:
    """A run to be killed: its config and settings, its processes, and how long it takes."""

    config: str
    settings: list[str]
    processes: int = 1
    wall: float = 0.0  # seconds of the undisturbed run

    def command(self, workdir: pathlib.Path, restarts: int = 0) -> list[str]:
        """The command of one sitting, or of a launcher that starts `restarts` more."""
        settings = [f"--config.{setting}" for setting in self.settings]
        arguments = [f"--config={self.config}", f"--workdir={workdir}", *settings]
        if self.processes == 1:
            return [sys.executable, "-m", "jaxcnn.main", *arguments]
        options = [f"--processes={self.processes}", f"--max-restarts={restarts}", "--grace=0.5"]
        return [sys.executable, str(LAUNCHER), *options, "--", *arguments]

    def undisturbed(self, workdir: pathlib.Path) -> str:
        """Runs it while nobody kills; returns its digest and sets `wall`."""
        start = time.monotonic()
        done = subprocess.run(self.command(workdir), capture_output=True, text=True)
        self.wall = time.monotonic() - start
        row = final_row(workdir)
        if done.returncode or row is None:
            raise SystemExit(
                f"the undisturbed run failed with exit code {done.returncode}:\n"
                f"{done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return row["digest"]


def final_row(workdir: pathlib.Path) -> dict | None:
    """The last object of metrics.jsonl if the run has finished."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    row = json.loads(lines[-1]) if lines and lines[-1].endswith("}") else {}
    return row if row.get("final") else None


def last_step(workdir: pathlib.Path) -> int:
    """The newest checkpoint's step, 0 without one."""
    names = [path.name for path in (workdir / "checkpoints").glob("*")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def killed(
    trial: Trial, workdir: pathlib.Path, kills: int, rng: random.Random
) -> tuple[set[str], int]:
    """Kills the run `kills` times, each at a moment uniform in [0, wall] of a sitting.

    Returns (digests of the runs that finished, sittings). A run that finishes before all kills are
    spent is followed by another one.
    """
    digests: set[str] = set()
    hits = sittings = 0
    wall = trial.wall
    while True:
        sittings += 1
        start = time.monotonic()
        process = subprocess.Popen(trial.command(workdir), **PIPED)
        try:
            output, _ = process.communicate(timeout=rng.uniform(0, wall) if hits < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            hits += 1
            print(f"  kill {hits}/{kills}, at step {last_step(workdir)}", flush=True)
            continue
        if process.returncode:
            failed = f"sitting {sittings} failed with exit code {process.returncode}"
            raise SystemExit(f"{failed}:\n{output[-4000:]}")
        row = final_row(workdir)
        if row is None:
            raise SystemExit(f"sitting {sittings} ended, but metrics.jsonl has no final row")
        digests.add(row["digest"])
        if hits == kills:
            return digests, sittings
        # Compiled programs are cached by now.
        wall = min(wall, time.monotonic() - start)
        workdir = workdir.with_name(f"{workdir.name}+")


class Launched:
    """A run of several processes under the launcher, which restarts it after each kill."""

    def __init__(self, arguments: list[str], kills: int, wall: float, rng: random.Random):
        self.kills, self.wall, self.rng = kills, wall, rng
        self.hits = 0
        self.lines: collections.deque[str] = collections.deque(maxlen=60)
        self.process = subprocess.Popen(arguments, **PIPED)

    def run(self, workdir: pathlib.Path) -> int:
        """Returns the launcher's exit code; `hits` counts the kills that made it start anew."""
        timer: threading.Timer | None = None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if match := re.match(r"\[launcher\] .* pids ([\d ]+)", line):
                pids = [int(pid) for pid in match.group(1).split()]
                victims = pids if self.hits % 5 == 4 else [self.rng.choice(pids)]
                if self.hits < self.kills:
                    timer = threading.Timer(self.rng.uniform(0, self.wall), self._kill, (victims,))
                    timer.start()
            elif re.match(r"\[launcher\] restart ", line):
                self.hits += 1
                print(f"  kill {self.hits}/{self.kills}, at step {last_step(workdir)}", flush=True)
        if timer:
            timer.cancel()
        return self.process.wait()

    @staticmethod
    def _kill(pids: list[int]) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def killed_together(
    trial: Trial, workdir: pathlib.Path, kills: int, rng: random.Random
) -> tuple[set[str], int]:
    """Does as `killed` does to a run of several processes."""
    digests: set[str] = set()
    hits = sittings = 0
    while hits < kills or not digests:
        command = trial.command(workdir, restarts=kills - hits)
        launched = Launched(command, kills - hits, trial.wall, rng)
        code, row = launched.run(workdir), final_row(workdir)
        hits, sittings = hits + launched.hits, sittings + launched.hits + 1
        if code or row is None:
            said = "".join(launched.lines)
            raise SystemExit(f"sitting {sittings} failed with exit code {code}:\n{said}")
        digests.add(row["digest"])
        workdir = workdir.with_name(f"{workdir.name}+")
    return digests, sittings


def main() -> int:
    """Runs the trials and prints one line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    setting = "a setting, --config.FIELD=VALUE"
    add("--config", default="configs/lenet.py")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help=setting)
    add("--kills", type=int, default=20, help="kills a run")
    add("--runs", type=int, default=1, help="runs, each with its own seed")
    add("--processes", type=int, default=1, help="processes of a run, on this machine")
    add("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    rng, equal = random.Random(args.seed), 0
    kill = killed if args.processes == 1 else killed_together
    with tempfile.TemporaryDirectory() as folder:
        for run in range(args.runs):
            settings = [*DEFAULTS, *args.set, f"seed={run}"]
            trial = Trial(args.config, settings, args.processes)
            base = pathlib.Path(folder) / str(run)
            expected = trial.undisturbed(base / "undisturbed")
            print(f"run {run}: undisturbed {trial.wall:.1f} s, digest {expected[:16]}", flush=True)
            digests, sittings = kill(trial, base / "killed", args.kills, rng)
            equal += digests == {expected}
            listed = ", ".join(sorted(digest[:16] for digest in digests))
            verdict = "equal" if digests == {expected} else "DIFFERENT"
            counted = f"{args.kills} kills in {sittings} sittings"
            print(f"run {run}: {counted}, digest {listed}: {verdict}", flush=True)
    print(f"{args.runs * args.kills} kills, {equal} of {args.runs} digests equal")
    return 0 if equal == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
