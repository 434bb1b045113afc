"""A request to stop, made by SIGTERM or Ctrl-C."""

import signal
from types import FrameType


class StopRequest:
    """Is true once SIGTERM or SIGINT has come; Ctrl-C after that ends the process at once.

    Use as a context manager in the main thread. A repeated SIGTERM changes nothing: schedulers send
    it to the processes and to the script that passes it on to them.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number

    def __bool__(self) -> bool:
        return self.signal is not None

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
