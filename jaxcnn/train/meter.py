"""What the steps between two log lines came to: sums of their metrics, where their time went."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics
from jaxcnn.errors import NonFiniteLoss


@dataclasses.dataclass
class Meter:
    """Sums of the steps since the last log line, and where their time went, in seconds."""

    batch_size: int
    total: dict[str, Any] | None = None
    steps: int = 0
    waited_input: float = 0.0
    waited_device: float = 0.0
    saving: float = 0.0
    started: float = dataclasses.field(default_factory=time.perf_counter)
    _last: float = 0.0
    # Between the ends of one step and the next.
    _intervals: list[float] = dataclasses.field(default_factory=list)

    def restart(self) -> None:
        """Begins to count time anew: an evaluation lay between."""
        self.started, self._last = time.perf_counter(), 0.0

    @contextlib.contextmanager
    def waiting_for_input(self) -> Iterator[None]:
        """What happens inside is waiting for the next batches."""
        start = time.perf_counter()
        yield
        self.waited_input += time.perf_counter() - start

    @contextlib.contextmanager
    def waiting_for_save(self) -> Iterator[None]:
        """What happens inside is a checkpoint that holds up the loop."""
        start = time.perf_counter()
        yield
        self.saving += time.perf_counter() - start

    def add(self, sums: dict[str, Any], step: int) -> None:
        """Takes the stacked sums of the steps up to `step`, and waits for them.

        Raises NonFiniteLoss at the first step whose loss or update is no finite number.
        """
        start = time.perf_counter()
        values = jax.device_get(sums)  # {name: [steps]}
        now, count = time.perf_counter(), len(values["bad"])
        self.waited_device += now - start
        self._intervals += [(now - (self._last or self.started)) / count] * count
        self._last = now
        if values["bad"].any():
            first_bad = step - count + 1 + int(np.argmax(values["bad"]))
            raise NonFiniteLoss(first_bad)
        here = {name: float(np.sum(x, dtype=np.float64)) for name, x in values.items()}
        self.total = metrics.add(self.total, here)
        self.steps += count

    def row(self) -> dict[str, float]:
        """The means, and the times of the steps.

        host_ms is the loop's time outside device, input and saving; input_wait the share of the
        time that went into waiting for batches; save_ms, where a save fell between, the time that
        it held up the loop. corrupt counts the records that were replaced, where there are any.
        """
        assert self.total is not None
        wall = time.perf_counter() - self.started
        host = wall - self.waited_device - self.waited_input - self.saving
        p50, p90, p99 = np.percentile(self._intervals, (50, 90, 99))
        means = metrics.means(self.total)
        row = {"corrupt": self.total["corrupt"]} if "corrupt" in self.total else {}
        row |= {
            "train_loss": means["loss"],
            "train_top1": means["top1"],
            "train_top5": means["top5"],
            "grad_norm": self.total["grad_norm"] / self.steps,
            "img_s": round(self.steps * self.batch_size / wall, 1),
            "step_ms": round(1e3 * wall / self.steps, 3),
            "step_p50_ms": round(1e3 * p50, 3),
            "step_p90_ms": round(1e3 * p90, 3),
            "step_p99_ms": round(1e3 * p99, 3),
            "host_ms": round(1e3 * host / self.steps, 3),
            "input_wait": round(self.waited_input / wall, 4),
        }
        if self.saving:
            row["save_ms"] = round(1e3 * self.saving, 3)
        return row
