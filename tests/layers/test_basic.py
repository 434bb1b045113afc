"""Layers: parameter trees, the slid fully connected layer, running averages, gates, stochastic depth, heads, messages."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers

KEY = jax.random.key(0)


def images(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_conv_is_a_cross_correlation_with_bias():
    x = images(1, 5, 5, 2)
    conv = layers.Conv(3, 3, stride=2, padding=1, bias_init=jax.nn.initializers.constant(0.5))
    variables = conv.init(KEY, x)
    assert jax.tree.map(jnp.shape, variables["params"]) == {"kernel": (3, 3, 2, 3), "bias": (3,)}
    padded = np.pad(np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = np.asarray(variables["params"]["kernel"])
    expected = [
        [
            (padded[0, i : i + 3, j : j + 3, :, None] * kernel).sum((0, 1, 2)) + 0.5
            for j in (0, 2, 4)
        ]
        for i in (0, 2, 4)
    ]
    np.testing.assert_allclose(conv.apply(variables, x)[0], expected, rtol=1e-4, atol=1e-5)


def test_conv_parameters_stay_float32():
    conv = layers.Conv(4, 1, dtype=jnp.bfloat16)
    variables = conv.init(KEY, images(1, 2, 2, 3))
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    assert conv.apply(variables, images(1, 2, 2, 3)).dtype == jnp.bfloat16


def test_conv_refuses_groups_that_do_not_divide():
    with pytest.raises(
        ValueError, match="6 input and 4 output channels do not split into 3 groups"
    ):
        layers.Conv(4, 3, groups=3).init(KEY, images(1, 5, 5, 6))


def test_fully_connected_slides_as_a_convolution():
    layer = layers.FullyConnected(7, window=3, bias_init=jax.nn.initializers.normal())
    large = images(2, 5, 6, 4)
    variables = layer.init(KEY, large[:, :3, :3])
    assert jax.tree.map(jnp.shape, variables["params"]) == {"kernel": (36, 7), "bias": (7,)}
    slid = layer.apply(variables, large)
    assert slid.shape == (2, 3, 4, 7)
    for i in range(3):
        for j in range(4):
            one = layer.apply(variables, large[:, i : i + 3, j : j + 3])
            assert one.shape == (2, 1, 1, 7)
            np.testing.assert_allclose(slid[:, i, j], one[:, 0, 0], rtol=1e-4, atol=1e-5)


def test_fully_connected_refuses_a_smaller_map():
    with pytest.raises(
        ValueError, match="slides a 6x6 window and was given a 5x7 map: use a larger image"
    ):
        layers.FullyConnected(2, window=6).init(KEY, images(1, 5, 7, 1))


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


@pytest.mark.parametrize(
    "module",
    [layers.MaxPool(3, 2), layers.AvgPool(3, 2, count_padding=False), layers.LocalResponseNorm()],
)
def test_layers_without_parameters_have_none(module):
    assert module.init(KEY, images(1, 6, 6, 3)) == {}


class Head(nn.Module):
    class_map: bool

    @nn.compact
    def __call__(self, x):
        return layers.pooled_head(x, 5, dropout_rate=0.0, train=False, class_map=self.class_map)


def test_class_map_averages_to_the_logits():
    x = images(2, 4, 3, 6)
    variables = Head(False).init(KEY, x)
    class_map, logits = Head(True).apply(variables, x), Head(False).apply(variables, x)
    assert (class_map.shape, logits.shape, logits.dtype) == ((2, 4, 3, 5), (2, 5), jnp.float32)
    np.testing.assert_allclose(class_map.mean((1, 2)), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 32, 32), "expected images"),
        ((1, 31, 40, 3), "smallest image it can take is 32x32"),
        ((1, 32, 32, 4), "1 \\(grey\\) or 3 \\(RGB\\)"),
    ],
)
def test_check_images(shape, message):
    layers.check_images(jnp.zeros((1, 32, 32, 3)), 32, "lenet")
    with pytest.raises(ValueError, match=f"lenet was given an array of shape .*{message}"):
        layers.check_images(jnp.zeros(shape), 32, "lenet")
