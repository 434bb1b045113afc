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


def maps(seed, void=0.1):
    """(logits [2, 8, 9, 4], labels [2, 8, 9], mask [2, 8, 9]) with some pixels void."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, (2, 8, 9))
    mask = (rng.uniform(size=labels.shape) > void).astype(np.float32)
    return rng.normal(size=(*labels.shape, 4)).astype(np.float32), labels, mask


def test_segmentation_of_a_confusion_made_by_hand():
    confusion = [[50, 0, 10], [5, 20, 5], [0, 10, 0]]
    found = metrics.segmentation(np.asarray(confusion))
    assert found.pixel_accuracy == pytest.approx(70 / 100)
    assert found.mean_accuracy == pytest.approx((50 / 60 + 20 / 30 + 0) / 3)
    ius = (50 / 65, 20 / 40, 0 / 25)
    assert found.mean_iu == pytest.approx(sum(ius) / 3)
    assert found.frequency_weighted_iu == pytest.approx(0.6 * ius[0] + 0.3 * ius[1] + 0.1 * ius[2])


def test_classes_that_are_nowhere_are_left_out():
    found = metrics.segmentation(np.asarray([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    assert found.mean_accuracy == pytest.approx((3 / 4 + 1) / 2)
    assert found.mean_iu == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert np.isnan(metrics.segmentation(np.zeros((3, 3))).mean_iu)


def test_segmentation_against_scikit_learn():
    from sklearn.metrics import (
        accuracy_score,
        balanced_accuracy_score,
        confusion_matrix,
        jaccard_score,
    )

    total, true, predicted = None, [], []
    for seed in range(3):
        logits, labels, mask = maps(seed)
        counts = metrics.confusion_counts(*map(jnp.asarray, (logits, labels, mask)))
        total = metrics.add(total, {"confusion": counts})
        true.append(labels[mask > 0])
        predicted.append(logits.argmax(-1)[mask > 0])
    true, predicted = np.concatenate(true), np.concatenate(predicted)
    np.testing.assert_array_equal(total["confusion"], confusion_matrix(true, predicted))
    np.testing.assert_allclose(
        metrics.segmentation(total["confusion"]),
        [
            accuracy_score(true, predicted),
            balanced_accuracy_score(true, predicted),
            jaccard_score(true, predicted, average="macro"),
            jaccard_score(true, predicted, average="weighted"),
        ],
        rtol=1e-12,
    )


def test_sums_over_pixels_are_those_of_the_pixels_in_a_row():
    logits, labels, mask = map(jnp.asarray, maps(0))
    losses = jnp.arange(labels.size, dtype=jnp.float32).reshape(labels.shape)
    found = metrics.classification_sums(logits, labels, losses, mask)
    flat = metrics.classification_sums(
        logits.reshape(-1, 4), labels.ravel(), losses.ravel(), mask.ravel()
    )
    for name, value in flat.items():
        assert float(found[name]) == float(value)
