"""The order of training against Philox by its definition, and against chance."""

import numpy as np
import pytest
from take import take

from jaxcnn.data.pipeline.order import index_batches, permutation


@pytest.mark.parametrize("n", [1, 7, 1000])
def test_every_epoch_holds_every_example_once_in_another_order(n):
    stream = np.concatenate(take(3 * n, index_batches(n, 5, seed=3)))[: 3 * n].reshape(3, n)
    assert all(np.array_equal(np.sort(epoch), np.arange(n)) for epoch in stream)
    if n > 5:
        assert not np.array_equal(stream[0], stream[1])
        assert not np.array_equal(permutation(3, 0, n), permutation(4, 0, n))


def test_the_order_does_not_change_between_versions():
    """A run must resume after an upgrade.

    The order is that of Philox4x64-10 under key (seed, epoch), computed here by its definition
    (Salmon et al. 2011).
    """

    def philox(key, count):
        mask, words = 2**64 - 1, []
        for block in range(1, -(-count // 4) + 1):
            counter, (k0, k1) = [block, 0, 0, 0], key
            for _ in range(10):
                high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
                high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
                counter = [high1 ^ counter[1] ^ k0, low1, high0 ^ counter[3] ^ k1, low0]
                k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
            words += counter
        return words[:count]

    words = np.array(philox((5, 2), 50), np.uint64)
    assert permutation(5, 2, 50).tolist() == np.argsort(words, kind="stable").tolist()


def test_the_shuffle_is_uniform():
    places = np.stack(
        [np.argsort(permutation(seed, epoch, 16)) for seed in range(50) for epoch in range(20)]
    )
    # [example, place], 62.5 expected in each
    counts = np.stack([np.bincount(places[:, i], minlength=16) for i in range(16)])
    # Chi-squared of 15 x 15 degrees of freedom, whose deviation is 21.
    assert ((counts - 62.5) ** 2 / 62.5).sum() == pytest.approx(225, abs=6 * 21)
