"""Learning curves: windows of unequal length become means over equal spans."""

import numpy as np

from jaxcnn.draw.curves import SPANS, curve_of, equal_spans


def test_means_over_equal_spans_against_every_step():
    """Step by step in NumPy: a value for each of 60 steps, logged in windows of 7 and of 3."""
    steps = np.random.default_rng(0).uniform(1, 2, 60)
    ends = np.array([7, 10, 17, 20, 27, 30, 37, 40, 47, 50, 57, 60])
    starts = np.concatenate([[0], ends[:-1]])
    logged = np.array([steps[a:b].mean() for a, b in zip(starts, ends, strict=True)])
    known = np.concatenate(
        [np.full(b - a, v) for a, b, v in zip(starts, ends, logged, strict=True)]
    )
    at, means = equal_spans(ends / 60, logged)
    assert len(at) == 8 and np.ptp(np.diff(at)) < 1e-12 and at[-1] == 1
    fine = np.repeat(known, 8).reshape(8, 60)  # 8 spans of 60 eighths of a step
    np.testing.assert_allclose(means, fine.mean(axis=1), rtol=1e-9)


def test_many_windows_become_few_points():
    at, means = equal_spans(np.arange(1.0, 1001), np.arange(1000.0))
    assert len(at) == SPANS
    np.testing.assert_allclose(means, np.arange(1000).reshape(SPANS, 10).mean(axis=1))


def test_one_row_and_none():
    np.testing.assert_array_equal(equal_spans(np.array([0.3]), np.array([2.0])), [[0.3], [2.0]])
    assert len(curve_of([], "train_loss", spans=True).values) == 0


def test_rows_without_the_value_and_the_final_one_are_left_out():
    rows = [
        {"step": 1, "epoch": 0.5, "train_top1": 0.75},
        {"step": 2, "epoch": 1.0, "eval_top1": 0.25},
        {"step": 3, "epoch": 1.0, "train_top1": 1.0, "final": True},
    ]
    curve = curve_of(rows, "train_top1").error()
    assert curve.epochs.tolist() == [0.5] and curve.values.tolist() == [25.0]
