"""Kills a training run with SIGKILL at random moments and checks that it ends with the digest of an undisturbed run.

  python scripts/kill_test.py --kills 20
  python scripts/kill_test.py --kills 5 --runs 4 --config configs/lenet.py:lenet5 --set optim.epochs=3 --set data.name=mnist

Every run trains to its end undisturbed once; then the same run is started in another workdir and killed again and again, each time at
a moment drawn between its start and its end, and started anew until it has finished. Exit code 0 if all digests are equal.
"""

import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

DEFAULTS = ("optim.epochs=12", "checkpoint_every=0.5", "eval_every=2", "log_every=20", "tensorboard=False")


def command(config: str, workdir: pathlib.Path, settings: list[str]) -> list[str]:
    """The training command of one sitting."""
    return [sys.executable, "-m", "jaxcnn.main", f"--config={config}", f"--workdir={workdir}", *(f"--config.{s}" for s in settings)]


def final_row(workdir: pathlib.Path) -> dict | None:
    """The last object of metrics.jsonl if the run has finished."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    row = json.loads(lines[-1]) if lines and lines[-1].endswith("}") else {}
    return row if row.get("final") else None


def undisturbed(config: str, workdir: pathlib.Path, settings: list[str]) -> tuple[str, float]:
    """(digest, wall seconds) of a run that nobody kills."""
    start = time.monotonic()
    done = subprocess.run(command(config, workdir, settings), capture_output=True, text=True)
    row = final_row(workdir)
    if done.returncode or row is None:
        raise SystemExit(f"the undisturbed run failed with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return row["digest"], time.monotonic() - start


def killed(config: str, workdir: pathlib.Path, settings: list[str], kills: int, wall: float, rng: random.Random) -> tuple[set[str], int]:
    """(digests of the runs that finished, sittings) after `kills` kills, each at a moment uniform in [0, wall] of a sitting.

    A run that finishes before all kills are spent is followed by another one.
    """
    digests: set[str] = set()
    hits = sittings = 0
    while True:
        sittings += 1
        start = time.monotonic()
        process = subprocess.Popen(command(config, workdir, settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            output, _ = process.communicate(timeout=rng.uniform(0, wall) if hits < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            hits += 1
            print(f"  kill {hits}/{kills}, at step {last_step(workdir)}", flush=True)
            continue
        if process.returncode:
            raise SystemExit(f"sitting {sittings} failed with exit code {process.returncode}:\n{output[-4000:]}")
        row = final_row(workdir)
        if row is None:
            raise SystemExit(f"sitting {sittings} said it had finished, but metrics.jsonl has no final row")
        digests.add(row["digest"])
        if hits == kills:
            return digests, sittings
        wall = min(wall, time.monotonic() - start)  # compiled programs are cached by now
        workdir = workdir.with_name(f"{workdir.name}+")


def last_step(workdir: pathlib.Path) -> int:
    """The newest checkpoint's step, 0 without one."""
    return max((int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()), default=0)


def main() -> int:
    """Runs the trials and prints one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/lenet.py")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting, --config.FIELD=VALUE")
    parser.add_argument("--kills", type=int, default=20, help="kills a run")
    parser.add_argument("--runs", type=int, default=1, help="runs, each with its own seed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    rng, equal = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        for run in range(args.runs):
            settings = [*DEFAULTS, *args.set, f"seed={run}"]
            base = pathlib.Path(folder) / str(run)
            expected, wall = undisturbed(args.config, base / "undisturbed", settings)
            print(f"run {run}: undisturbed {wall:.1f} s, digest {expected[:16]}", flush=True)
            found, sittings = killed(args.config, base / "killed", settings, args.kills, wall, rng)
            equal += found == {expected}
            listed = ", ".join(sorted(digest[:16] for digest in found))
            verdict = "equal" if found == {expected} else "DIFFERENT"
            print(f"run {run}: {args.kills} kills in {sittings} sittings, digest {listed}: {verdict}", flush=True)
    print(f"{args.runs * args.kills} kills, {equal} of {args.runs} digests equal")
    return 0 if equal == args.runs else 1


if __name__ == "__main__":
    sys.exit(main())
