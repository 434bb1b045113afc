"""Masked sums against NumPy."""

import jax.numpy as jnp
import numpy as np

from jaxcnn import metrics


def test_ranks_against_a_sort():
    rng = np.random.default_rng(0)
    logits = rng.integers(0, 5, (64, 9)).astype(np.float32)  # many ties
    labels = rng.integers(0, 9, 64)
    order = np.argsort(-logits, axis=1, kind="stable")
    expected = [list(row).index(label) for row, label in zip(order, labels, strict=True)]
    np.testing.assert_array_equal(
        metrics.rank_of_label(jnp.asarray(logits), jnp.asarray(labels)), expected
    )


def test_not_a_number_is_never_right():
    logits = jnp.asarray([[jnp.nan, 0.0, 1.0], [2.0, 1.0, 0.0]])
    np.testing.assert_array_equal(metrics.rank_of_label(logits, jnp.asarray([0, 0])), [5, 0])
    sums = metrics.classification_sums(
        logits, jnp.asarray([0, 0]), jnp.asarray([jnp.nan, 1.0]), jnp.ones(2)
    )
    assert (float(sums["top1"]), float(sums["top5"])) == (
        1.0,
        1.0,
    )  # among three classes everything else is top-5 correct
    wide = jnp.full((1, 7), jnp.nan)
    np.testing.assert_array_equal(metrics.rank_of_label(wide, jnp.asarray([3])), [7])


def test_sums_leave_padding_out():
    logits = jnp.asarray([[9.0, 0, 0, 0, 0, 0], [0, 9.0, 8, 7, 6, 5], [9.0, 0, 0, 0, 0, 0]])
    sums = metrics.classification_sums(
        logits,
        jnp.asarray([0, 5, 0]),
        jnp.asarray([1.0, 2.0, jnp.nan]),
        jnp.asarray([1.0, 1.0, 0.0]),
    )
    assert metrics.summarize(sums) == {"loss": 1.5, "top1": 0.5, "top5": 1.0, "count": 2.0}


def test_confusion_and_per_class_accuracy():
    logits = jnp.eye(3)[jnp.asarray([0, 1, 1, 2, 2])]
    counts = np.asarray(
        metrics.confusion_counts(
            logits, jnp.asarray([0, 0, 1, 1, 2]), jnp.asarray([1.0, 1, 1, 1, 0])
        )
    )
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(metrics.per_class_accuracy(counts), [0.5, 0.5, np.nan])
    counts = np.asarray(
        metrics.confusion_counts(
            logits.at[0].set(jnp.nan), jnp.asarray([0, 0, 1, 1, 2]), jnp.ones(5)
        )
    )
    np.testing.assert_array_equal(
        counts, [[0, 1, 0], [0, 1, 1], [0, 0, 1]]
    )  # not a number is no prediction, least of all a right one
