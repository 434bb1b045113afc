"""Convolutions, the slid fully connected layer, and layers without parameters."""

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


@pytest.mark.parametrize(
    "module",
    [layers.MaxPool(3, 2), layers.AvgPool(3, 2), layers.LocalResponseNorm(), layers.Identity()],
)
def test_layers_without_parameters_have_none(module):
    assert module.init(KEY, images(1, 6, 6, 3)) == {}
