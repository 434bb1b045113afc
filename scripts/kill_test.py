"""Kills a training run with SIGKILL at random moments and checks that it ends with the digest of an undisturbed run.

  python scripts/kill_test.py --kills 20
  python scripts/kill_test.py --kills 5 --runs 4 --config configs/lenet.py:lenet5 --set optim.epochs=3 --set data.name=mnist
  python scripts/kill_test.py --kills 5 --processes 2

Every run trains to its end undisturbed once; then the same run is started in another workdir and killed again and again, each time at
a moment drawn between its start and its end, and started anew until it has finished. With --processes the run is one of
scripts/launch_local.py, a kill hits one process drawn at random, every fifth one all of them, and the launcher starts them anew. Exit code 0
if all digests are equal.
"""

import argparse
import collections
import contextlib
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


def command(
    config: str, workdir: pathlib.Path, settings: list[str], processes: int = 1, restarts: int = 0
) -> list[str]:
    """The training command of one sitting, or of a launcher that starts `restarts` more."""
    arguments = [f"--config={config}", f"--workdir={workdir}", *(f"--config.{s}" for s in settings)]
    if processes == 1:
        return [sys.executable, "-m", "jaxcnn.main", *arguments]
    launcher = [
        sys.executable,
        str(LAUNCHER),
        f"--processes={processes}",
        f"--max-restarts={restarts}",
        "--grace=0.5",
    ]
    return [*launcher, "--", *arguments]


def final_row(workdir: pathlib.Path) -> dict | None:
    """The last object of metrics.jsonl if the run has finished."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    row = json.loads(lines[-1]) if lines and lines[-1].endswith("}") else {}
    return row if row.get("final") else None


def undisturbed(
    config: str, workdir: pathlib.Path, settings: list[str], processes: int = 1
) -> tuple[str, float]:
    """(digest, wall seconds) of a run that nobody kills."""
    start = time.monotonic()
    done = subprocess.run(
        command(config, workdir, settings, processes), capture_output=True, text=True
    )
    row = final_row(workdir)
    if done.returncode or row is None:
        raise SystemExit(
            f"the undisturbed run failed with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return row["digest"], time.monotonic() - start


def killed(
    config: str,
    workdir: pathlib.Path,
    settings: list[str],
    kills: int,
    wall: float,
    rng: random.Random,
) -> tuple[set[str], int]:
    """(digests of the runs that finished, sittings) after `kills` kills, each at a moment uniform in [0, wall] of a sitting.

    A run that finishes before all kills are spent is followed by another one.
    """
    digests: set[str] = set()
    hits = sittings = 0
    while True:
        sittings += 1
        start = time.monotonic()
        process = subprocess.Popen(
            command(config, workdir, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=rng.uniform(0, wall) if hits < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            hits += 1
            print(f"  kill {hits}/{kills}, at step {last_step(workdir)}", flush=True)
            continue
        if process.returncode:
            raise SystemExit(
                f"sitting {sittings} failed with exit code {process.returncode}:\n{output[-4000:]}"
            )
        row = final_row(workdir)
        if row is None:
            raise SystemExit(
                f"sitting {sittings} said it had finished, but metrics.jsonl has no final row"
            )
        digests.add(row["digest"])
        if hits == kills:
            return digests, sittings
        wall = min(wall, time.monotonic() - start)  # compiled programs are cached by now
        workdir = workdir.with_name(f"{workdir.name}+")


class Launched:
    """A run of several processes under the launcher, which is killed again and again and restarted by it."""

    def __init__(self, arguments: list[str], kills: int, wall: float, rng: random.Random):
        self.kills, self.wall, self.rng = kills, wall, rng
        self.hits, self.lines = 0, collections.deque(maxlen=60)
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, workdir: pathlib.Path) -> int:
        """The launcher's exit code; `hits` counts the kills after which it had to start anew."""
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
    config: str,
    workdir: pathlib.Path,
    settings: list[str],
    kills: int,
    wall: float,
    rng: random.Random,
    processes: int,
) -> tuple[set[str], int]:
    """`killed` for a run of several processes: (digests of the runs that finished, sittings)."""
    digests: set[str] = set()
    hits = sittings = 0
    while hits < kills or not digests:
        launched = Launched(
            command(config, workdir, settings, processes, kills - hits), kills - hits, wall, rng
        )
        code, row = launched.run(workdir), final_row(workdir)
        hits, sittings = hits + launched.hits, sittings + launched.hits + 1
        if code or row is None:
            raise SystemExit(
                f"sitting {sittings} failed with exit code {code}:\n{''.join(launched.lines)}"
            )
        digests.add(row["digest"])
        workdir = workdir.with_name(f"{workdir.name}+")
    return digests, sittings


def last_step(workdir: pathlib.Path) -> int:
    """The newest checkpoint's step, 0 without one."""
    return max(
        (int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()), default=0
    )


def main() -> int:
    """Runs the trials and prints one line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/lenet.py")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a setting, --config.FIELD=VALUE",
    )
    parser.add_argument("--kills", type=int, default=20, help="kills a run")
    parser.add_argument("--runs", type=int, default=1, help="runs, each with its own seed")
    parser.add_argument(
        "--processes", type=int, default=1, help="processes of a run, on this machine"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    rng, equal = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        for run in range(args.runs):
            settings = [*DEFAULTS, *args.set, f"seed={run}"]
            base = pathlib.Path(folder) / str(run)
            expected, wall = undisturbed(
                args.config, base / "undisturbed", settings, args.processes
            )
            print(f"run {run}: undisturbed {wall:.1f} s, digest {expected[:16]}", flush=True)
            given = (args.config, base / "killed", settings, args.kills, wall, rng)
            found, sittings = (
                killed(*given) if args.processes == 1 else killed_together(*given, args.processes)
            )
            equal += found == {expected}
            listed = ", ".join(sorted(digest[:16] for digest in found))
            verdict = "equal" if found == {expected} else "DIFFERENT"
            print(
                f"run {run}: {args.kills} kills in {sittings} sittings, digest {listed}: {verdict}",
                flush=True,
            )
    print(f"{args.runs * args.kills} kills, {equal} of {args.runs} digests equal")
    return 0 if equal == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
