"""Batch normalisation: running averages, and groups of the batch."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers

KEY = jax.random.key(0)


def images(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_batch_norm_running_averages():
    norm = layers.BatchNorm(momentum=0.8, epsilon=1e-3)
    x = images(8, 3, 3, 2) * 3 + 1
    variables = norm.init(KEY, x, train=True)
    np.testing.assert_array_equal(
        variables["batch_stats"]["mean"], 0
    )  # initialising leaves them alone
    y, first = norm.apply(variables, x, train=True, mutable="batch_stats")
    _, second = norm.apply({**variables, **first}, x, train=True, mutable="batch_stats")
    mean, var = np.asarray(x).mean((0, 1, 2)), np.asarray(x, np.float64).var((0, 1, 2), ddof=1)
    np.testing.assert_allclose(first["batch_stats"]["mean"], 0.2 * mean, rtol=1e-4)
    np.testing.assert_allclose(second["batch_stats"]["mean"], 0.36 * mean, rtol=1e-4)
    np.testing.assert_allclose(second["batch_stats"]["var"], 0.64 + 0.36 * var, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(y).mean((0, 1, 2)), 0, atol=1e-5)
    at_rest = norm.apply({**variables, **second}, x)
    expected = (np.asarray(x) - 0.36 * mean) / np.sqrt(0.64 + 0.36 * var + 1e-3)
    np.testing.assert_allclose(at_rest, expected, rtol=1e-3, atol=1e-4)


def test_batch_norm_groups_see_only_themselves():
    norm = layers.BatchNorm(group_size=2)
    x = images(4, 3, 3, 2)
    variables = norm.init(KEY, x, train=True)
    whole, _ = norm.apply(variables, x, train=True, mutable="batch_stats")
    half, _ = norm.apply(variables, x[:2], train=True, mutable="batch_stats")
    np.testing.assert_allclose(whole[:2], half, rtol=1e-4, atol=1e-5)
