"""Learning curves from the lines of metrics.jsonl, whose windows are of unequal length."""

import dataclasses
from typing import Any

import numpy as np

SPANS = 100  # points of a training curve, at most
LOWEST = 1e-2  # percent, which a logarithmic axis shows in place of 0


@dataclasses.dataclass(frozen=True)
class Curve:
    """`values` [n] at `epochs` [n]."""

    epochs: np.ndarray
    values: np.ndarray

    def error(self) -> "Curve":
        """The error in percent of an accuracy in [0, 1]."""
        return Curve(self.epochs, np.maximum(100 * (1 - self.values), LOWEST))


def curve_of(rows: list[dict[str, Any]], name: str, *, spans: bool = False) -> Curve:
    """The values called `name` in rows that have a `step` and an `epoch`.

    With `spans` a row stands for the mean of all steps since the row before it, and the curve is of
    means over equal spans.
    """
    with_it = [row for row in rows if name in row and not row.get("final")]
    epochs = np.array([row["epoch"] for row in with_it], np.float64)
    values = np.array([row[name] for row in with_it], np.float64)
    return Curve(*(equal_spans(epochs, values) if spans else (epochs, values)))


def equal_spans(ends: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(ends, means) of at most SPANS equal spans from 0 to the last of `ends`.

    Value i is the mean over everything between ends[i - 1] and ends[i], the first from 0 on. No
    span is shorter than the longest of these windows, so that each shows as much as the next.
    """
    windows = np.diff(ends, prepend=0.0)
    if not len(ends) or windows.min() <= 0:
        return ends, values
    count = max(1, min(SPANS, int(ends[-1] / windows.max() + 1e-6)))
    total = np.concatenate([[0.0], np.cumsum(values * windows)])  # from 0 to each of the ends
    edges = np.linspace(0.0, ends[-1], count + 1)
    sums = np.diff(np.interp(edges, np.concatenate([[0.0], ends]), total))
    return edges[1:], sums / np.diff(edges)
