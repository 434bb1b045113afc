"""Sums that are rounded as devices round them, against sums worked out by hand."""

import ml_dtypes
import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.measure.gradient_sums import Ring, Tree, gradient_sums


def test_bfloat16_loses_what_is_added_to_a_large_sum():
    """It has eight digits: 256 + 1 is 256, but 1 + 1 + ... is exact up to 256."""
    ring, tree, wide = Ring(ml_dtypes.bfloat16), Tree(ml_dtypes.bfloat16), Ring(np.float32)
    for number in (256.0, *[1.0] * 7):
        for total in (ring, tree, wide):
            total.add(np.array([number], np.float32))
    assert (ring.value()[0], wide.value()[0]) == (256, 263)
    # ((256 + 1) + (1 + 1)) + ((1 + 1) + (1 + 1)): 256 + 2 is 258, 258 + 4 is 262.
    assert tree.value()[0] == 262


def test_a_tree_of_any_number():
    tree, numbers = Tree(np.float32), np.arange(1.0, 12.0, dtype=np.float32)
    for number in numbers:
        tree.add(number[None])
    assert tree.value()[0] == numbers.sum()


@pytest.mark.slow
def test_rows_of_real_gradients(test_data):
    data = Data(name="cifar10", data_dir=str(test_data))
    (row,) = gradient_sums(data, rows=2, counts=(4,))
    assert row["devices"] == 4 and row["float32_ring"] < 1e-5
    assert 1e-4 < row["bfloat16_ring"] < 0.1 and row["bf16_step"] > 1e-4
