"""Masked sums against NumPy, calibration by hand, intervals against SciPy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binomtest

from jaxcnn import metrics


def test_ranks_against_a_sort():
    rng = np.random.default_rng(0)
    logits = rng.integers(0, 5, (64, 9)).astype(np.float32)  # many ties
    labels = rng.integers(0, 9, 64)
    order = np.argsort(-logits, axis=1, kind="stable")
    expected = [list(row).index(label) for row, label in zip(order, labels, strict=True)]
    ranks = metrics.rank_of_label(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_array_equal(ranks, expected)


def test_not_a_number_is_never_right():
    logits, labels = jnp.asarray([[jnp.nan, 0.0, 1.0], [2.0, 1.0, 0.0]]), jnp.asarray([0, 0])
    np.testing.assert_array_equal(metrics.rank_of_label(logits, labels), [5, 0])
    losses = jnp.asarray([jnp.nan, 1.0])
    sums = metrics.classification_sums(logits, labels, losses, jnp.ones(2))
    # among three classes everything else is top-5 correct
    assert (float(sums["top1"]), float(sums["top5"])) == (1.0, 1.0)
    wide = jnp.full((1, 7), jnp.nan)
    np.testing.assert_array_equal(metrics.rank_of_label(wide, jnp.asarray([3])), [7])


def test_sums_leave_padding_out():
    logits = jnp.asarray([[9.0, 0, 0, 0, 0, 0], [0, 9.0, 8, 7, 6, 5], [9.0, 0, 0, 0, 0, 0]])
    labels, losses = jnp.asarray([0, 5, 0]), jnp.asarray([1.0, 2.0, jnp.nan])
    mask = jnp.asarray([1.0, 1.0, 0.0])
    sums = metrics.classification_sums(logits, labels, losses, mask)
    assert metrics.means(sums) == {"loss": 1.5, "top1": 0.5, "top5": 1.0, "count": 2.0}
    twice = metrics.means(metrics.add(metrics.add(None, sums), sums))
    assert twice == {"loss": 1.5, "top1": 0.5, "top5": 1.0, "count": 4.0}


def test_confusion_and_per_class_accuracy():
    logits = jnp.eye(3)[jnp.asarray([0, 1, 1, 2, 2])]
    labels = jnp.asarray([0, 0, 1, 1, 2])
    counts = metrics.confusion_counts(logits, labels, jnp.asarray([1.0, 1, 1, 1, 0]))
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    accuracy = metrics.per_class_accuracy(np.asarray(counts))
    np.testing.assert_array_equal(accuracy, [0.5, 0.5, np.nan])
    # not a number is no prediction, least of all a right one
    counts = metrics.confusion_counts(logits.at[0].set(jnp.nan), labels, jnp.ones(5))
    np.testing.assert_array_equal(counts, [[0, 1, 0], [0, 1, 1], [0, 0, 1]])


def test_calibration_by_hand():
    """Two images in (0.4, 0.6], one right; three in (0.8, 1], all right. Edges count below."""
    confidence = np.array([0.6, 0.5, 0.9, 1.0, 0.95])
    right = np.array([True, False, True, True, True])
    bins = metrics.calibration(confidence, right, bins=5)
    assert bins.counts.tolist() == [0, 0, 2, 0, 3]
    np.testing.assert_allclose(bins.confidence[[2, 4]], [0.55, 0.95])
    np.testing.assert_allclose(bins.accuracy, [np.nan, np.nan, 0.5, np.nan, 1.0])
    assert bins.error == pytest.approx(2 / 5 * 0.05 + 3 / 5 * 0.05)
    perfect = metrics.calibration(np.full(10, 0.7), np.arange(10) < 7)
    assert perfect.error == pytest.approx(0)


def test_intervals_against_scipy():
    right, counts = np.array([0, 1, 7, 900, 50]), np.array([4, 1, 10, 1000, 50])
    low, high = metrics.interval(right / counts, counts)
    for i, (k, n) in enumerate(zip(right, counts, strict=True)):
        expected = binomtest(int(k), int(n)).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose([low[i], high[i]], expected, atol=1e-6)
    low, high = metrics.interval(np.array([np.nan]), np.array([0]))
    np.testing.assert_allclose([*low, *high], [0, 1], atol=1e-12)
