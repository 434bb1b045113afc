"""A watchdog that ends a run in which nothing moves any more."""

import faulthandler
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import jax

from jaxcnn.errors import Stalled
from jaxcnn.parallel import joining


class Watchdog:
    """Ends the process, and with it the others, when nothing has moved for `seconds`; 0: never.

    Where every thread stood then is written to `folder`/stall-PROCESS.txt. Use as a context
    manager; `beat` says that something moved. The exit code is that of errors.Stalled.
    """

    def __init__(self, seconds: float, folder: pathlib.Path):
        self.seconds, self.folder = seconds, folder
        self._beaten = time.monotonic()
        self._done = threading.Event()

    def __enter__(self) -> "Watchdog":
        if self.seconds:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()

    def beat(self) -> None:
        """Says that something moved: a step, a batch of an evaluation, a checkpoint."""
        self._beaten = time.monotonic()

    def beating(self, function: Callable) -> Callable:
        """Returns `function` with a beat before every call."""

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
        stalled = Stalled(
            f"nothing has moved for {self.seconds:.0f} s (config.stall_seconds); "
            f"where every thread stood is in {path}; "
            "the same command goes on from the newest checkpoint"
        )
        try:
            with path.open("w") as file:
                faulthandler.dump_traceback(file, all_threads=True)
        except OSError:
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
        print(stalled.sentence, file=sys.stderr, flush=True)
        joining.end(str(stalled), stalled.exit_code)
        # The thread that hangs cannot be asked to leave.
        os._exit(stalled.exit_code)
