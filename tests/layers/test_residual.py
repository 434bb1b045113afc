"""The channel gate against NumPy, and stochastic depth in the mean."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers

KEY = jax.random.key(0)


def images(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_squeeze_excite_by_numpy():
    gate = layers.SqueezeExcite(2)
    x = images(3, 4, 5, 6)
    variables = gate.init(KEY, x)
    p = jax.tree.map(np.asarray, variables["params"])
    assert jax.tree.map(np.shape, p) == {
        "reduce": {"kernel": (1, 1, 6, 2), "bias": (2,)},
        "expand": {"kernel": (1, 1, 2, 6), "bias": (6,)},
    }
    squeezed = np.maximum(
        np.asarray(x).mean((1, 2)) @ p["reduce"]["kernel"][0, 0] + p["reduce"]["bias"], 0
    )
    excited = 1 / (1 + np.exp(-(squeezed @ p["expand"]["kernel"][0, 0] + p["expand"]["bias"])))
    np.testing.assert_allclose(
        gate.apply(variables, x), np.asarray(x) * excited[:, None, None, :], rtol=1e-4, atol=1e-5
    )


def test_stochastic_depth_drops_whole_examples_and_keeps_the_mean():
    depth = layers.StochasticDepth(0.25)
    x = jnp.ones((20_000, 1, 2, 1))
    dropped = depth.apply({}, x, train=True, rngs={"dropout": KEY})
    np.testing.assert_array_equal(dropped[:, 0, 0], dropped[:, 0, 1])
    np.testing.assert_allclose(np.unique(dropped), [0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(jnp.mean(dropped), 1.0, atol=0.02)
    np.testing.assert_array_equal(depth.apply({}, x), x)
    np.testing.assert_array_equal(layers.StochasticDepth(0.0).apply({}, x, train=True), x)
