"""The ReLU of a sum, whose gradient reads its result on accelerators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
def test_relu_of_a_sum_is_relu(platform):
    x = jnp.asarray(np.random.default_rng(0).standard_normal((3, 4, 5)), jnp.float32).at[0].set(0.0)
    dy = jnp.cos(x)

    def relu(x):
        with ops.target(platform=platform):
            return ops.relu_of_sum(x)

    y, gradient = jax.vjp(relu, x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))
    np.testing.assert_array_equal(gradient(dy)[0], np.where(np.asarray(x) > 0, dy, 0))
    np.testing.assert_array_equal(jax.jvp(relu, (x,), (dy,))[1], np.where(x > 0, dy, 0))
    np.testing.assert_array_equal(jax.vmap(jax.grad(lambda x: relu(x).sum()))(x), x > 0)
    half = x.astype(jnp.bfloat16)
    assert jax.grad(lambda x: relu(x).sum())(half).dtype == jnp.bfloat16


def test_the_gradient_keeps_the_result_and_not_the_terms():
    def saved(platform):
        def layer(a, b):
            with ops.target(platform=platform):
                return ops.relu_of_sum(a + b)

        return str(jax.make_jaxpr(lambda a: jax.vjp(layer, a, a)[0])(jnp.ones(3)))

    assert "optimization_barrier" in saved("gpu") and "optimization_barrier" not in saved("cpu")
