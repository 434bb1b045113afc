"""What the steps between two log lines came to: sums of their metrics, and where their time went."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics


@dataclasses.dataclass
class Meter:
    """Sums of the steps since the last log line, and where their time went."""

    batch_size: int
    total: dict[str, Any] | None = None
    steps: int = 0
    waited_input: float = 0.0
    waited_device: float = 0.0
    saving: float = 0.0
    started: float = dataclasses.field(default_factory=time.perf_counter)
    _last: float = 0.0
    _intervals: list[float] = dataclasses.field(
        default_factory=list
    )  # seconds between the ends of one step and the next

    def restart(self) -> None:
        """Begins to count time anew: an evaluation lay between."""
        self.started, self._last = time.perf_counter(), 0.0

    def add(self, sums: dict[str, Any], number: int) -> None:
        """Takes the stacked sums of the steps up to `number` (waits for them); raises FloatingPointError(step) at a loss that is not finite."""
        start = time.perf_counter()
        values = jax.device_get(sums)
        now, count = time.perf_counter(), len(values["bad"])
        self.waited_device += now - start
        self._intervals += [(now - (self._last or self.started)) / count] * count
        self._last = now
        if values["bad"].any():
            raise FloatingPointError(number - count + 1 + int(np.argmax(values["bad"])))
        self.total = metrics.add(
            self.total, {name: float(np.sum(x, dtype=np.float64)) for name, x in values.items()}
        )
        self.steps += count

    def row(self) -> dict[str, float]:
        """The means, with img_s, step_ms and its percentiles, host_ms (loop time outside device, input and saving), input_wait (share of
        the time) and, where a save fell between, save_ms that it held up the loop."""
        assert self.total is not None
        wall = time.perf_counter() - self.started
        host = wall - self.waited_device - self.waited_input - self.saving
        p50, p90, p99 = np.percentile(self._intervals, (50, 90, 99))
        means = metrics.means(self.total)
        corrupt = {"corrupt": self.total["corrupt"]} if "corrupt" in self.total else {}
        return (
            corrupt
            | {
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
            | ({"save_ms": round(1e3 * self.saving, 3)} if self.saving else {})
        )
