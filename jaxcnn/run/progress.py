"""Progress of long work: a bar on a terminal, else a line from time to time."""

import logging
import time

import rich.console
import rich.progress

log = logging.getLogger("jaxcnn")

# Seconds between two lines of progress where there is no terminal.
LINE_SECONDS = 10.0


class Bar:
    """A bar on a terminal that fills up to `total`.

    Ask `console.is_terminal` first, and write lines where it is not.
    """

    def __init__(self, console: rich.console.Console, what: str, total: int, *, done: int = 0):
        columns = (
            "{task.description}",
            rich.progress.BarColumn(),
            "{task.completed}/{task.total}",
            "{task.fields[text]}",
            rich.progress.TimeRemainingColumn(),
        )
        self._progress = rich.progress.Progress(*columns, console=console)
        self._task = self._progress.add_task(what, total=total, completed=done, text="")
        self._progress.start()

    def show(self, done: int, text: str) -> None:
        """Moves the bar to `done` and writes `text` beside it."""
        self._progress.update(self._task, completed=done, text=text)

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self._progress.stop()


class Progress:
    """Counts what is done, on stderr: a bar on a terminal, else a line now and then.

    Use it as a context manager.
    """

    def __init__(self, what: str, total: int, *, show: bool, unit: str = "images"):
        self._what, self._total, self._show, self._unit = what, total, show, unit
        self._done = 0
        self._bar: Bar | None = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        console = rich.console.Console(stderr=True)
        if self._show and console.is_terminal:
            self._bar = Bar(console, self._what, self._total)
        return self

    def advance(self) -> None:
        """Counts one more."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """Says that `done` of the total are done by now."""
        self._done = done
        if self._bar:
            self._bar.show(self._done, self._unit)
            return
        now = time.monotonic()
        due = now - self._said > LINE_SECONDS or self._done == self._total
        if self._show and due:
            self._said = now
            rate = self._done / max(now - self._start, 1e-9)
            counted = f"{self._done}/{self._total} {self._unit}"
            each = "img" if self._unit == "images" else self._unit
            log.info("%s: %s, %.1f %s/s", self._what, counted, rate, each)

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.close()
