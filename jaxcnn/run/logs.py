"""What a run says: a progress bar or lines, `metrics.jsonl`, TensorBoard events. Only process 0 writes."""

import json
import logging
import pathlib
import sys
from typing import Any

import jax
import rich.console
import rich.progress

from jaxcnn.run.events import Events

METRICS = "metrics.jsonl"


def _without_traceback(record: logging.LogRecord) -> bool:
    return (
        not record.exc_info
    )  # what Orbax logs with a traceback, one for each file of a full disk, it also raises


def _unraisable(found: Any) -> None:
    """The usual hook, but for what TensorStore prints where Orbax has given up a save whose other files are still being written."""
    if str(found.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(found)


def setup_logging() -> None:
    """Our own lines on stderr; the libraries' only from errors on, and none that are raised as well."""
    logging.basicConfig(format="%(message)s", level=logging.ERROR, stream=sys.stderr, force=True)
    logging.getLogger("jaxcnn").setLevel(
        logging.INFO if jax.process_index() == 0 else logging.ERROR
    )
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("absl").addFilter(_without_traceback)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def read_metrics(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
    """The objects of a run's metrics.jsonl, each with its `step`; a line that a kill cut short or a disk damaged is left out."""
    path = pathlib.Path(workdir) / METRICS
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            found.append(row)
    return found


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        if minutes >= 60
        else f"{minutes}:{seconds:02d}"
    )


class Logger:
    """Writes one object a line; what an earlier sitting logged past `start_step` is dropped, since it will be computed again."""

    def __init__(
        self, workdir: pathlib.Path, *, start_step: int, total_steps: int, tensorboard: bool
    ):
        self.active = jax.process_index() == 0
        self.total = total_steps
        self._events = None
        self._bar = None
        if not self.active:
            return
        kept = [
            row
            for row in read_metrics(workdir)
            if row["step"] <= start_step and not row.get("final")
        ]
        partial = workdir / f"{METRICS}.partial"
        partial.write_text("".join(json.dumps(row) + "\n" for row in kept))
        partial.replace(workdir / METRICS)
        self._file = (workdir / METRICS).open("a", buffering=1)
        if tensorboard:
            self._events = Events(workdir / "events", start_step)
        self._console = rich.console.Console()
        if self._console.is_terminal:
            columns = (
                "{task.description}",
                rich.progress.BarColumn(),
                "{task.completed}/{task.total}",
                "{task.fields[text]}",
            )
            self._bar = rich.progress.Progress(
                *columns, rich.progress.TimeRemainingColumn(), console=self._console
            )
            self._task = self._bar.add_task(
                "step", total=total_steps, completed=start_step, text=""
            )
            self._bar.start()

    def say(self, text: str) -> None:
        """One line for the person who watches."""
        if self.active:
            (self._bar.console if self._bar else self._console).print(
                text, highlight=False, markup=False, soft_wrap=True
            )

    def write(self, row: dict[str, Any]) -> None:
        """Appends `row`, which has a `step`, to metrics.jsonl and its numbers to TensorBoard."""
        if not self.active:
            return
        self._file.write(json.dumps(row) + "\n")
        if self._events:
            self._events.write(row)

    def progress(self, row: dict[str, Any]) -> None:
        """Writes a training row and shows it: step, epoch, loss, images a second, time left."""
        self.write(row)
        if not self.active:
            return
        text = f"epoch {row['epoch']:.2f}  loss {row['train_loss']:.4f}  top-1 {row['train_top1']:.2%}  {row['img_s']:,.0f} img/s"
        if self._bar:
            self._bar.update(self._task, completed=row["step"], text=text)
        else:
            self.say(f"step {row['step']}/{self.total}  {text}  eta {_clock(row['eta_s'])}")

    def close(self) -> None:
        """Flushes everything."""
        if not self.active:
            return
        if self._bar:
            self._bar.stop()
        self._file.close()
        if self._events:
            self._events.close()
