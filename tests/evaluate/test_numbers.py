"""The numbers of predictions, by hand."""

import numpy as np
import pytest

from jaxcnn.evaluate.numbers import measure, mistakes
from jaxcnn.evaluate.predictions import Predictions

TABLE = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]], np.float32)


def predictions(probabilities, labels):
    count, classes = probabilities.shape
    return Predictions(
        log_probabilities=np.log(probabilities),
        labels=np.array(labels, np.int32),
        keys=np.arange(count).astype(np.str_),
        records=np.arange(count),
        class_names=list("abcdefgh")[:classes],
        corrupt=2,
    )


def test_numbers_by_hand():
    numbers = measure(predictions(TABLE, [0, 1, 0, 1]))
    assert (numbers.top1, numbers.top1_error, numbers.top5) == (0.5, 0.5, 1.0)
    assert (numbers.count, numbers.corrupt) == (4, 2)
    assert numbers.loss == pytest.approx(-np.mean(np.log([0.9, 0.1, 0.1, 0.7])))
    np.testing.assert_array_equal(numbers.confusion, [[1, 0, 1], [1, 1, 0], [0, 0, 0]])
    accuracy = numbers.per_class_accuracy
    assert (accuracy["a"], accuracy["b"]) == (0.5, 0.5) and np.isnan(accuracy["c"])
    # four images in four bins: right with 0.9 and 0.7, wrong with 0.8 and 0.6
    assert numbers.ece == pytest.approx((0.1 + 0.3 + 0.8 + 0.6) / 4)


def test_the_most_confident_mistakes_come_first():
    wrong = mistakes(predictions(TABLE, [0, 1, 0, 2]))
    assert [(m.row, m.label, m.predicted, round(m.probability, 3)) for m in wrong] == [
        (1, 1, 0, 0.8),
        (3, 2, 1, 0.7),
        (2, 0, 2, 0.6),
    ]
    assert mistakes(predictions(TABLE, [0, 1, 0, 2]), most=1) == wrong[:1]


def test_a_network_that_gives_no_numbers_is_wrong_everywhere():
    numbers = measure(predictions(np.full((4, 6), np.nan, np.float32), [0, 1, 2, 3]))
    assert numbers.top1 == numbers.top5 == 0 and numbers.count == 4
