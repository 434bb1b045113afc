"""What a run tells of itself: its opening lines, and the rows of metrics.jsonl."""

import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics
from jaxcnn.draw import plots
from jaxcnn.errors import RunError
from jaxcnn.parallel.processes import from_first, whole
from jaxcnn.run import logs
from jaxcnn.run.goodput import Account
from jaxcnn.run.logs import Logger, read_metrics
from jaxcnn.run.provenance import digest
from jaxcnn.train import layout
from jaxcnn.train.efficiency import device_memory_mib, ideal_seconds
from jaxcnn.train.meter import Meter
from jaxcnn.train.setup import Setup
from jaxcnn.train.start import Start
from jaxcnn.train.state import State


def finished(setup: Setup, workdir: pathlib.Path, step: int) -> dict[str, Any] | None:
    """The final row of a run whose newest checkpoint, at `step`, is its end; else None.

    Raises RunError for a run that is beyond its end.
    """
    total = setup.total_steps

    def final_row() -> dict[str, Any] | None:
        rows = read_metrics(workdir)
        done = rows and rows[-1].get("final") and rows[-1]["step"] == step >= total
        return rows[-1] if done else None

    if row := from_first("finished", final_row):
        return row
    if step > total:
        raise RunError(
            f"{workdir} is at step {step} already, beyond the {total} asked for; give more steps "
            "or epochs"
        )
    return None


def opening(
    setup: Setup, like: State, begin: Start, changed: dict[str, tuple[Any, Any]]
) -> list[str]:
    """What a sitting says before its first step; `changed` {setting: (old, new)} since the last."""
    config, splits = setup.config, setup.splits
    lines = [
        f"changed since the last sitting: {name} was {old!r}, now {new!r}"
        for name, (old, new) in changed.items()
    ]
    if begin.fresh:
        lines.append(f"not in {config.init_from}, so fresh: {', '.join(begin.fresh)}")
    if begin.unused:
        lines.append(
            f"in {config.init_from} but not in {config.model}, so unused: {', '.join(begin.unused)}"
        )
    size = sum(x.size for x in jax.tree.leaves(like.params))
    processes = f" on {jax.process_count()} processes" if jax.process_count() > 1 else ""
    first, kind = int(begin.state.step), logs.kind_of(splits.eval_split)
    lines.append(
        f"{config.model}, {size:,} parameters; {splits.training.size:,} training and "
        f"{splits.evaluation.size:,} {kind} images ({splits.training.kind}); mesh "
        f"{layout.described(setup.mesh)}{processes}; "
        f"{f'resuming at step {first} of' if first else 'training for'} {setup.total_steps} steps"
    )
    if repeated := layout.repeated_work(setup.mesh, config.sharding, setup.model):
        lines.append(repeated)
    return lines


class Rows:
    """Makes the rows of one sitting, writes them and hands them to `on_row`."""

    def __init__(
        self,
        setup: Setup,
        logger: Logger,
        account: Account,
        on_row: Callable[[dict[str, Any]], None] | None = None,
    ):
        self.setup, self.logger, self.account = setup, logger, account
        self._on_row = on_row or (lambda row: None)
        self._ideal_s = ideal_seconds(setup)  # of a step at the devices' peak; 0: not known

    def progress(self, step: int, meter: Meter, rate_scale: float) -> None:
        """The row of the steps that `meter` has counted, up to `step`."""
        setup, means = self.setup, meter.row()
        self.account.add(step, meter.steps * means["step_p50_ms"] / 1e3)
        row = {"step": step, "epoch": setup.epoch(step)} | means
        if self._ideal_s:
            row["mfu"] = round(1e3 * self._ideal_s / row["step_p50_ms"], 4)
        if memory := device_memory_mib():
            row["device_peak_mib"] = memory
        row["lr"] = float(setup.schedule(step - 1)) * rate_scale
        row["eta_s"] = round((setup.total_steps - step) * row["step_ms"] / 1e3, 1)
        self.logger.progress(row)
        self._on_row(row)

    def evaluation(self, step: int, sums: dict[str, Any]) -> None:
        """The row of an evaluation after `step`."""
        row = {"step": step, "epoch": self.setup.epoch(step)} | _evaluated(sums)
        self.logger.write(row)
        self._on_row(row)

    def final(self, state: State, sums: dict[str, Any], *, wall_s: float) -> dict[str, Any]:
        """The last row of a run, written and returned; `sums` are its last evaluation's."""
        setup, total = self.setup, self.setup.total_steps
        names = setup.splits.class_names
        accuracies = metrics.per_class_accuracy(sums["confusion"])
        row = {
            "final": True,
            "step": total,
            "epoch": setup.epoch(total),
            **_evaluated(sums),
            "wall_s": round(wall_s, 2),
            "goodput": round(self.account.goodput(), 4),
            "eval_split": setup.splits.eval_split,
            "sittings": len(self.account.sittings),
            "digest": digest(jax.device_get(whole(setup.mesh, state.params))),
            "per_class_accuracy": {
                name: None if math.isnan(share) else round(float(share), 6)
                for name, share in zip(names, accuracies, strict=True)
            },
        }
        self.logger.write(row)
        self._on_row(row)
        return row


def _evaluated(sums: dict[str, Any]) -> dict[str, float]:
    """eval_loss, eval_top1 and so on, of the sums of an evaluation."""
    row = {f"eval_{name}": value for name, value in metrics.means(sums).items()}
    if "images" in sums:  # pixels were counted, more of them than float32 counts exactly
        row["eval_count"] = float(sums["images"])
        row["eval_pixels"] = float(np.sum(sums["confusion"], dtype=np.int64))
        measures = metrics.segmentation(sums["confusion"])._asdict()
        row |= {f"eval_{name}": value for name, value in measures.items()}
    if "corrupt" in sums:
        row["eval_corrupt"] = float(sums["corrupt"])
    return row


def draw(setup: Setup, workdir: pathlib.Path, sums: dict[str, Any]) -> list[str]:
    """Draws the curves and the confusion matrix of a run; their paths."""
    return plots.of_run(workdir, sums["confusion"], setup.splits.class_names)
