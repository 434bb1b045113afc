"""The numbers of an evaluation: errors, calibration, confusion, and the most confident mistakes."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn import metrics
from jaxcnn.evaluate.predictions import TINY, Predictions

ROWS = 4096  # rows of the table that go to the device at a time
SHOWN = 36  # mistakes on the contact sheet


def numbers(predictions: Predictions) -> dict[str, Any]:
    """{top1, top5, top1_error, top5_error, loss, count, corrupt, ece, per_class_accuracy, confusion, calibration} over all rows.

    Shares lie in [0, 1]; `loss` is the cross-entropy of the averaged probabilities in nats.
    """
    total = None
    for start in range(0, len(predictions.labels), ROWS):
        scores, labels = (
            jnp.asarray(x[start : start + ROWS])
            for x in (predictions.log_probabilities, predictions.labels)
        )
        losses = -jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]  # [R]
        mask = jnp.ones(len(labels), jnp.float32)
        sums = metrics.classification_sums(scores, labels, losses, mask) | {
            "confusion": metrics.confusion_counts(scores, labels, mask)
        }
        total = metrics.add(total, {name: np.asarray(value) for name, value in sums.items()})
    assert total is not None
    means, confusion = metrics.summarize(total), total["confusion"]
    confidence = np.nan_to_num(np.exp(predictions.log_probabilities.max(axis=1)), nan=TINY)
    calibration = metrics.calibration(
        confidence, predictions.log_probabilities.argmax(axis=1) == predictions.labels
    )
    accuracy = metrics.per_class_accuracy(confusion).tolist()
    return means | {
        "top1_error": 1 - means["top1"],
        "top5_error": 1 - means["top5"],
        "corrupt": predictions.corrupt,
        "ece": calibration.error,
        "per_class_accuracy": dict(zip(predictions.class_names, accuracy, strict=True)),
        "confusion": confusion,
        "calibration": calibration,
    }


class Mistake(NamedTuple):
    """A row of the predictions whose most probable class is not its label."""

    row: int
    label: int
    predicted: int
    probability: float


def mistakes(predictions: Predictions, most: int = SHOWN) -> list[Mistake]:
    """The wrong rows, the most confident first."""
    predicted = predictions.log_probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != predictions.labels)
    sure = np.nan_to_num(np.exp(predictions.log_probabilities[wrong, predicted[wrong]]))
    order = np.argsort(-sure, kind="stable")[:most]
    return [
        Mistake(
            int(wrong[i]),
            int(predictions.labels[wrong[i]]),
            int(predicted[wrong[i]]),
            float(sure[i]),
        )
        for i in order
    ]
