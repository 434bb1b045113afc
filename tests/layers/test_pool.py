"""The smallest map that pooling can take, against the poolings themselves."""

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import layers


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 1), (5, 3), (3, 4)])
def test_smallest_map(window, stride, ceil):
    pool = layers.MaxPool(window, stride, ceil=ceil)

    def sides(side):
        return jax.eval_shape(pool.apply, {}, jnp.zeros((1, side, side, 1))).shape[1]

    for out in range(1, 6):
        least = layers.smallest_map(out, window, stride, ceil=ceil)
        assert sides(least) >= out
        if least > window:
            assert sides(least - 1) < out
