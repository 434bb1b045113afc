"""A linear layer over whole maps against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops


@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("window", [(), (2, 3)])
def test_linear(batch, window):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *window, 4)).astype(np.float32)
    kernel = rng.standard_normal((4 * int(np.prod(window)), 5)).astype(np.float32)
    y, vjp = jax.vjp(ops.linear, jnp.asarray(x), jnp.asarray(kernel))
    np.testing.assert_allclose(y, np.reshape(x, (batch, len(kernel))) @ kernel, rtol=1e-5)
    dx, dkernel = vjp(jnp.ones_like(y))
    assert dx.shape == x.shape
    np.testing.assert_allclose(
        dkernel, np.sum(x, axis=0).reshape(-1, 1) + np.zeros((1, 5)), rtol=1e-4, atol=1e-5
    )
