"""What a run says: a bar or lines, `metrics.jsonl`, TensorBoard events.

Only process 0 writes.
"""

import json
import logging
import pathlib
import sys
from typing import Any

import jax
import rich.console

from jaxcnn.files import replace_text, writing
from jaxcnn.run import quiet
from jaxcnn.run.events import Events
from jaxcnn.run.progress import Bar

METRICS = "metrics.jsonl"


def setup_logging() -> None:
    """Sends our own lines to stderr, and the libraries' only from errors on."""
    logging.basicConfig(format="%(message)s", level=logging.ERROR, stream=sys.stderr, force=True)
    level = logging.INFO if jax.process_index() == 0 else logging.ERROR
    logging.getLogger("jaxcnn").setLevel(level)
    quiet.hush()


def say(text: str) -> None:
    """Says one line to the person who watches: "reading ..." before a silence begins.

    Only process 0 says it.

    For the time before a run has its Logger, which says the lines after that.
    """
    if jax.process_index() == 0:
        _print(rich.console.Console(), text)


def _print(console: rich.console.Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def kind_of(split: str) -> str:
    """What the images of an evaluation split are called: test, validation, or evaluation images."""
    base = split.split("[")[0].strip()
    return {"test": "test", "val": "validation", "validation": "validation"}.get(base, "evaluation")


def read_metrics(workdir: str | pathlib.Path) -> list[dict[str, Any]]:
    """Reads the objects of a run's metrics.jsonl, each with its `step`.

    A line that a kill cut short or a disk damaged is left out.
    """
    path = pathlib.Path(workdir) / METRICS
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def _clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Logger:
    """Writes one JSON object a line, and shows progress.

    Its methods raise WriteError where the disk fails.

    What an earlier sitting logged past `start_step` is dropped, since it is computed again.
    """

    def __init__(
        self, workdir: pathlib.Path, *, start_step: int, total_steps: int, tensorboard: bool
    ):
        self.active = jax.process_index() == 0
        self.total = total_steps
        self._path = workdir / METRICS
        self._events: Events | None = None
        self._bar: Bar | None = None
        if not self.active:
            return
        rows = [row for row in read_metrics(workdir) if row["step"] <= start_step]
        kept = [json.dumps(row) + "\n" for row in rows if not row.get("final")]
        replace_text(self._path, "".join(kept))
        with writing(workdir):
            self._file = self._path.open("a", buffering=1)
            if tensorboard:
                self._events = Events(workdir / "events", start_step)
        self._console = rich.console.Console()
        if self._console.is_terminal:
            self._bar = Bar(self._console, "step", total_steps, done=start_step)

    def say(self, text: str) -> None:
        """Says one line to the person who watches."""
        if self.active:
            _print(self._console, text)

    def write(self, row: dict[str, Any]) -> None:
        """Appends `row`, which has a `step`, to metrics.jsonl and its numbers to TensorBoard."""
        if not self.active:
            return
        with writing(self._path):
            self._file.write(json.dumps(row) + "\n")
            if self._events:
                self._events.write(row)

    def progress(self, row: dict[str, Any]) -> None:
        """Writes a training row and shows it: step, epoch, loss, images a second, time left."""
        self.write(row)
        if not self.active:
            return
        text = (
            f"epoch {row['epoch']:.2f}  loss {row['train_loss']:.4f}  "
            f"top-1 {row['train_top1']:.2%}  {row['img_s']:,.0f} img/s"
        )
        if self._bar:
            self._bar.show(row["step"], text)
        else:
            self.say(f"step {row['step']}/{self.total}  {text}  eta {_clock(row['eta_s'])}")

    def close(self) -> None:
        """Flushes everything."""
        if not self.active:
            return
        if self._bar:
            self._bar.close()
        self._file.close()
        if self._events:
            self._events.close()
