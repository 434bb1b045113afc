"""Progress of long work: a bar on a terminal, else a line from time to time."""

import logging
import time

import rich.console
import rich.progress

log = logging.getLogger("jaxcnn")

LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal


class Progress:
    """Images done, on stderr: a bar on a terminal, else a line now and then."""

    def __init__(self, what: str, total: int, *, show: bool):
        self._what, self._total, self._done, self._show = what, total, 0, show
        self._bar: rich.progress.Progress | None = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        console = rich.console.Console(stderr=True)
        if self._show and console.is_terminal:
            columns = (
                "{task.description}",
                rich.progress.BarColumn(),
                "{task.completed}/{task.total} images",
            )
            self._bar = rich.progress.Progress(
                *columns, rich.progress.TimeRemainingColumn(), console=console
            )
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        return self

    def advance(self) -> None:
        """One image more."""
        self._done += 1
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._done)
        elif self._show and (now - self._said > LINE_SECONDS or self._done == self._total):
            self._said = now
            log.info(
                "%s: %d/%d images, %.1f img/s",
                self._what,
                self._done,
                self._total,
                self._done / max(now - self._start, 1e-9),
            )

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
