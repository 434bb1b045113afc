"""Masked sums and counts, and what is read off them.

Every image counts once; sums add over batches, devices and processes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array
Sums = dict[str, Array]


def rank_of_label(logits: Array, labels: Array) -> Array:
    """How many classes score above the label: [...] of logits [..., K] and labels [...].

    0 is top-1 correct, below 5 top-5 correct. Ties go to the lower class. A row with a value that
    is not finite ranks below all and at least fifth: it is never correct, however few the classes.
    """
    labels = labels.astype(jnp.int32)[..., None]  # [..., 1]
    own = jnp.take_along_axis(logits, labels, axis=-1)  # [..., 1]
    classes = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)  # [..., K]
    earlier = classes < labels  # [..., K]
    above = (logits > own) | ((logits == own) & earlier)
    rank = jnp.sum(above, axis=-1)  # [...]
    return jnp.where(jnp.all(jnp.isfinite(logits), axis=-1), rank, max(logits.shape[-1], 5))


def classification_sums(logits: Array, labels: Array, losses: Array, mask: Array) -> Sums:
    """{loss, top1, top5, count} summed over the examples with mask 1: scalars in float32.

    `logits` are [B, K], the others [B]; or of images whose pixels each have a label, [B, H, W, K]
    and [B, H, W], and the sums are over pixels.
    """
    rank = rank_of_label(logits, labels)
    return {
        "loss": jnp.sum(jnp.where(mask > 0, losses, 0.0)),
        "top1": jnp.sum(jnp.where(rank < 1, mask, 0.0)),
        "top5": jnp.sum(jnp.where(rank < 5, mask, 0.0)),
        "count": jnp.sum(mask),
    }


def confusion_counts(logits: Array, labels: Array, mask: Array) -> Array:
    """Int32 counts [K, K]: the row is the true class, the column the predicted one.

    Rows of logits [B, K], or pixels of logits [B, H, W, K], that are not finite predict no class
    and are left out.
    """
    classes = logits.shape[-1]
    predicted = jnp.argmax(logits, axis=-1)
    mask = jnp.where(jnp.all(jnp.isfinite(logits), axis=-1), mask, 0)
    cells = labels.astype(jnp.int32) * classes + predicted.astype(jnp.int32)
    counts = jnp.zeros(classes * classes, jnp.int32).at[cells].add(mask.astype(jnp.int32))
    return counts.reshape(classes, classes)  # [K, K]


def add(total: dict[str, Any] | None, part: dict[str, Any]) -> dict[str, Any]:
    """Adds two dicts of sums; `total` None counts as nothing."""
    return part if total is None else {name: total[name] + part[name] for name in part}


def means(sums: dict[str, Any]) -> dict[str, float]:
    """{loss, top1, top5, count}: the means of sums, top-1 and top-5 as shares in [0, 1].

    Blocks until the device has them.
    """
    count = float(sums["count"])
    shares = {name: float(sums[name]) / max(count, 1.0) for name in ("loss", "top1", "top5")}
    return shares | {"count": count}


def per_class_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of each class's examples that were recognised, [K]; NaN for a class without any."""
    confusion = np.asarray(confusion)
    totals = confusion.sum(axis=1)
    return np.where(totals > 0, np.diag(confusion) / np.maximum(totals, 1), np.nan)


class Segmentation(NamedTuple):
    """The four measures of Long, Shelhamer & Darrell 2015 (section 5), shares in [0, 1]."""

    pixel_accuracy: float  # of all pixels, the share that has the right class
    mean_accuracy: float  # the mean over classes of the share of their pixels that is right
    mean_iu: float  # the mean over classes of intersection over union
    frequency_weighted_iu: float  # the same, each class weighted by its pixels


def segmentation(confusion: np.ndarray) -> Segmentation:
    """The measures of a confusion of pixels [K, K], true classes in rows; void pixels not counted.

    Means are over the classes that have pixels or were predicted: a class that is nowhere has
    neither accuracy nor union. Without any pixel all are NaN.
    """
    confusion = np.asarray(confusion, np.float64)
    right, true = np.diag(confusion), confusion.sum(axis=1)  # [K], [K]
    union = true + confusion.sum(axis=0) - right  # [K]
    iu = right[union > 0] / union[union > 0]
    accuracy = right[true > 0] / true[true > 0]
    total = true.sum()
    if not total:
        return Segmentation(*[float("nan")] * 4)
    return Segmentation(
        pixel_accuracy=float(right.sum() / total),
        mean_accuracy=float(accuracy.mean()),
        mean_iu=float(iu.mean()),
        frequency_weighted_iu=float((true[union > 0] * iu).sum() / total),
    )


class Calibration(NamedTuple):
    """The expected calibration error, and what each of M bins of confidence holds, [M].

    Mean confidence and share right are NaN where a bin is empty.
    """

    error: float
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Calibration:
    """How far confidence [N] in (0, 1] lies from the share of `right` [N].

    Over M equal bins ((m - 1) / M, m / M] (arXiv:1706.04599, equation 3).
    """
    confidence = np.asarray(confidence, np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)  # [N]
    counts = np.bincount(place, minlength=bins)  # [M]
    filled = np.where(counts > 0, counts, np.nan)
    sure = np.bincount(place, weights=confidence, minlength=bins) / filled
    accuracy = np.bincount(place, weights=np.asarray(right, np.float64), minlength=bins) / filled
    gaps = np.nansum(counts * np.abs(accuracy - sure))
    return Calibration(
        error=float(gaps / max(len(confidence), 1)),
        counts=counts,
        confidence=sure,
        accuracy=accuracy,
    )


def interval(shares: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): Wilson's 95 % interval of each share [M] out of `counts` [M] (Wilson 1927).

    It is all of [0, 1] where a count is 0 and the share NaN.
    """
    z2 = 1.959964**2
    counts = np.asarray(counts, np.float64)
    shares = np.where(counts > 0, shares, 0.5)
    middle = (shares * counts + z2 / 2) / (counts + z2)
    spread = np.sqrt(z2 * (counts * shares * (1 - shares) + z2 / 4)) / (counts + z2)
    return np.clip(middle - spread, 0, 1), np.clip(middle + spread, 0, 1)
