"""What looks at a run from the side: a watchdog for stalls, and a profile of chosen steps."""

import faulthandler
import os
import pathlib
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import jax

from jaxcnn import distributed
from jaxcnn.config import ConfigError

EXIT_STALLED = 1


class Watchdog:
    """Ends the process, and through `distributed.end` the others, when nothing has moved for `seconds`; 0: never.

    Where every thread stood then is written to `folder`/stall-PROCESS.txt. Use as a context manager; `beat` says that something moved.
    """

    def __init__(self, seconds: float, folder: pathlib.Path):
        self.seconds, self.folder = seconds, folder
        self._beaten = time.monotonic()
        self._done = threading.Event()

    def __enter__(self) -> "Watchdog":
        if self.seconds:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exc) -> None:
        self._done.set()

    def beat(self) -> None:
        """Something moved: a step, a batch of an evaluation, a checkpoint."""
        self._beaten = time.monotonic()

    def beating(self, function: Callable) -> Callable:
        """`function`, with a beat before every call."""

        def called(*arguments: Any) -> Any:
            self.beat()
            return function(*arguments)

        return called

    def _watch(self) -> None:
        while not self._done.wait(min(10.0, self.seconds / 4)):
            if time.monotonic() - self._beaten > self.seconds:
                self._end()

    def _end(self) -> None:
        path = self.folder / f"stall-{jax.process_index()}.txt"
        why = (
            f"nothing has moved for {self.seconds:.0f} s (config.stall_seconds); where every thread stood is in {path}; the same command goes "
            "on from the newest checkpoint"
        )
        try:
            with path.open("w") as file:
                faulthandler.dump_traceback(file, all_threads=True)
        except OSError:
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        print(f"error: {why}", file=sys.stderr, flush=True)
        distributed.end(why, EXIT_STALLED)
        os._exit(EXIT_STALLED)  # the thread that hangs cannot be asked to leave


class Profile:
    """A trace of steps A to B, `--profile=A:B`, under `workdir`/profile for TensorBoard and Perfetto; "" makes none."""

    def __init__(self, steps: str, workdir: pathlib.Path):
        match = re.fullmatch(r"(\d+):(\d+)", steps)
        if steps and (not match or int(match[1]) >= int(match[2])):
            raise ConfigError(f"--profile={steps} does not read as FIRST:LAST, the steps to trace, such as --profile=100:110")
        self.first, self.last = (int(match[1]), int(match[2])) if match else (-1, -1)
        self.folder = workdir / "profile"
        self._on = False

    def before(self, number: int, count: int = 1) -> None:
        """Starts or ends the trace: `number` steps have been dispatched, and the next `count` go together, traced if one of them is to be."""
        if self._on and number >= self.last:
            self.close()
        elif not self._on and number < self.last and self.first < number + count:
            jax.profiler.start_trace(str(self.folder))
            self._on = True

    def close(self) -> None:
        """Writes the trace, if one is being made."""
        if self._on:
            self._on = False
            jax.profiler.stop_trace()
