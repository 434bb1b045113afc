"""Trains with several processes on this machine, each with its own virtual CPU devices.

For tests, and to learn how it goes on a cluster.

  python scripts/launch_local.py --processes 2 --devices 4 -- \\
    --config=configs/lenet.py --workdir=runs/digits
  python scripts/launch_local.py --processes 2 --max-restarts 3 -- \\
    --config=configs/lenet.py --workdir=runs/digits

What follows `--` goes to every `python -m jaxcnn.main`; their lines come out with the number of
their process in front. When a process dies, the others are ended within --grace seconds and, if
--max-restarts allows, all are started again and go on from the newest checkpoint. SIGTERM and
Ctrl-C are passed on once to every process. Exit codes are those of jaxcnn.main (0 done, 2 a setting
that cannot work, which is not tried again, 75 stopped with everything saved), or 128 + the signal
that a process died of.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType

from jaxcnn.errors import DONE, STOPPED, USAGE

TRAINING = ("-m", "jaxcnn.main")
DEVICES = "--xla_force_host_platform_device_count"


def free_port() -> int:
    """Finds a port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(devices: int) -> dict[str, str]:
    """This environment with `devices` virtual CPU devices, and lines that come out when written."""
    others = re.sub(rf"{DEVICES}=\d+", "", os.environ.get("XLA_FLAGS", ""))
    flags = f"{others} {DEVICES}={devices}".strip()
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONUNBUFFERED": "1"}


def say(text: str) -> None:
    """Says one line of the launcher's own."""
    print(f"[launcher] {text}", flush=True)


def ending(code: int) -> str:
    """Says in words how a process with that exit code ended."""
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


class Sitting:
    """All processes of one start."""

    def __init__(self, command: list[str], processes: int, devices: int):
        address = f"127.0.0.1:{free_port()}"
        self.processes = [
            self._start(
                [
                    *command,
                    f"--coordinator_address={address}",
                    f"--num_processes={processes}",
                    f"--process_id={number}",
                ],
                devices,
            )
            for number in range(processes)
        ]
        self._readers = [
            threading.Thread(target=self._print, args=(i,), daemon=True) for i in range(processes)
        ]
        for reader in self._readers:
            reader.start()
        pids = " ".join(str(process.pid) for process in self.processes)
        say(f"{processes} processes of {devices} devices at {address}: pids {pids}")

    @staticmethod
    def _start(arguments: list[str], devices: int) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=environment(devices),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C reaches the launcher alone, which passes it on once: a second one would end
            # the processes at once.
            start_new_session=True,
        )

    def _print(self, number: int) -> None:
        stream = self.processes[number].stdout
        assert stream is not None
        with stream:
            for line in stream:
                print(f"[{number}] {line}", end="", flush=True)

    def pass_on(self, number: int) -> None:
        """Sends a signal to every process that still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def wait(self, grace: float) -> list[int]:
        """Waits for all processes; returns their exit codes, the first failure's first.

        Once one has failed, the others have `grace` seconds to end.
        """
        first: int | None = None
        deadline = float("inf")
        while None in (codes := [process.poll() for process in self.processes]):
            failed = [i for i, code in enumerate(codes) if code not in (None, DONE, STOPPED)]
            if failed and first is None:
                first, deadline = failed[0], time.monotonic() + grace
                still = f"those that still run, {codes.count(None)}, have {grace:g} s to end"
                say(f"process {first} {ending(codes[first] or 0)}; {still}")
            if time.monotonic() > deadline:
                self.pass_on(signal.SIGKILL)
                deadline = float("inf")
            time.sleep(0.05)
        for reader in self._readers:
            reader.join(timeout=10)
        return self._first_failure_first(first)

    def _first_failure_first(self, first: int | None) -> list[int]:
        codes = [process.wait() for process in self.processes]
        if first is None:  # all ended between two looks
            first = next((i for i, code in enumerate(codes) if code not in (DONE, STOPPED)), 0)
            if codes[first] not in (DONE, STOPPED):
                say(f"process {first} {ending(codes[first])}")
        return [codes[first], *codes[:first], *codes[first + 1 :]]


class Launcher:
    """Starts sittings of `python COMMAND` until one has finished, failed or was asked to stop."""

    def __init__(self, command: list[str], options: argparse.Namespace):
        self.command, self.options = command, options
        self.sitting: Sitting | None = None
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.stopping = True
        if self.sitting:
            self.sitting.pass_on(number)

    def run(self) -> int:
        """Returns the exit code of the whole."""
        restarts = 0
        while True:
            self.sitting = Sitting(self.command, self.options.processes, self.options.devices)
            if self.stopping:  # the signal came while they were being started
                self.sitting.pass_on(signal.SIGTERM)
            code, *others = self.sitting.wait(self.options.grace)
            if code == DONE and STOPPED in others:
                code = STOPPED
            done = code in (DONE, USAGE, STOPPED) or self.stopping
            if done or restarts >= self.options.max_restarts:
                return code if code >= 0 else 128 - code
            restarts += 1
            say(f"restart {restarts} of {self.options.max_restarts}")


def main() -> int:
    """Runs the command line and returns its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=2)
    devices = "virtual CPU devices of each process"
    parser.add_argument("--devices", type=int, default=1, help=devices)
    parser.add_argument("--max-restarts", type=int, default=0)
    grace = "seconds that the others have to end when one process has died"
    parser.add_argument("--grace", type=float, default=10.0, help=grace)
    parser.add_argument("arguments", nargs="+", metavar="-- ARGUMENTS", help="of jaxcnn.main")
    options = parser.parse_args()
    if min(options.processes, options.devices) < 1 or options.max_restarts < 0:
        parser.error("--processes and --devices are at least 1, --max-restarts at least 0")
    return Launcher([*TRAINING, *options.arguments], options).run()


if __name__ == "__main__":
    sys.exit(main())
