"""The numbers of an evaluation: errors, calibration, confusion, and the most confident mistakes."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn import metrics
from jaxcnn.evaluate.predictions import TINY, Predictions

ROWS = 4096  # rows of the table that go to the device at a time
SHOWN = 36  # mistakes on the contact sheet


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers:
    """What predictions come to: shares in [0, 1], over `count` images.

    `loss` is the cross-entropy of the averaged probabilities in nats; `confusion` int32 [K, K] has
    the true classes as its rows.
    """

    top1: float
    top5: float
    loss: float
    count: float
    corrupt: int
    per_class_accuracy: dict[str, float]
    confusion: np.ndarray
    calibration: metrics.Calibration

    @property
    def top1_error(self) -> float:
        """1 - top-1 accuracy."""
        return 1 - self.top1

    @property
    def top5_error(self) -> float:
        """1 - top-5 accuracy."""
        return 1 - self.top5

    @property
    def ece(self) -> float:
        """The expected calibration error."""
        return self.calibration.error


def measure(predictions: Predictions) -> Numbers:
    """All numbers of `predictions`."""
    sums = _sums(predictions)
    means, confusion = metrics.means(sums), sums["confusion"]
    predicted = predictions.log_probabilities.argmax(axis=1)
    confidence = np.exp(predictions.log_probabilities.max(axis=1))
    accuracy = metrics.per_class_accuracy(confusion).tolist()
    return Numbers(
        **means,
        corrupt=predictions.corrupt,
        per_class_accuracy=dict(zip(predictions.class_names, accuracy, strict=True)),
        confusion=confusion,
        calibration=metrics.calibration(
            np.nan_to_num(confidence, nan=TINY), predicted == predictions.labels
        ),
    )


def _sums(predictions: Predictions) -> dict[str, Any]:
    """The masked sums over all rows, and the confusion counts, a few thousand rows at a time."""
    total = None
    for start in range(0, len(predictions.labels), ROWS):
        scores = jnp.asarray(predictions.log_probabilities[start : start + ROWS])  # [R, K]
        labels = jnp.asarray(predictions.labels[start : start + ROWS])  # [R]
        losses = -jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]  # [R]
        mask = jnp.ones(len(labels), jnp.float32)
        sums = metrics.classification_sums(scores, labels, losses, mask)
        sums["confusion"] = metrics.confusion_counts(scores, labels, mask)
        total = metrics.add(total, {name: np.asarray(value) for name, value in sums.items()})
    assert total is not None
    return total


class Mistake(NamedTuple):
    """A row of the predictions whose most probable class is not its label."""

    row: int
    label: int
    predicted: int
    probability: float


def mistakes(predictions: Predictions, most: int = SHOWN) -> list[Mistake]:
    """The wrong rows, the most confident first, at most `most`."""
    predicted = predictions.log_probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != predictions.labels)
    sure = np.nan_to_num(np.exp(predictions.log_probabilities[wrong, predicted[wrong]]))
    order = np.argsort(-sure, kind="stable")[:most]
    return [
        Mistake(
            row=int(wrong[i]),
            label=int(predictions.labels[wrong[i]]),
            predicted=int(predicted[wrong[i]]),
            probability=float(sure[i]),
        )
        for i in order
    ]
