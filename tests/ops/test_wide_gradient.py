"""Layers in bfloat16 whose kernels keep a float32 gradient, against the layers as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.ops import wide_gradient
from jaxcnn.ops.geometry import Geometry, direct

CASES = [
    ((2, 9, 8, 3), (3, 3, 3, 4), (1, 1), ((1, 1), (1, 1))),
    ((2, 9, 8, 3), (3, 3, 3, 4), (2, 2), ((1, 1), (0, 1))),
    ((2, 7, 7, 3), (1, 1, 3, 4), (2, 2), ((0, 0), (0, 0))),
    ((2, 11, 11, 3), (7, 7, 3, 4), (2, 2), ((3, 3), (3, 3))),
    ((2, 12, 12, 3), (3, 3, 3, 4), (2, 2), ((0, 0), (0, 0))),
]


def normal(seed, shape, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


@pytest.mark.parametrize(("image", "kernel", "stride", "pads"), CASES)
def test_a_convolution_and_its_gradients(image, kernel, stride, pads):
    geometry = Geometry(image, kernel, stride, pads, 1, jnp.float32)
    x, k = normal(0, image), normal(1, kernel)
    y, gradients = jax.vjp(lambda x, k: wide_gradient.convolve(x, k, geometry), x, k)
    wanted, expected = jax.vjp(lambda x, k: direct(x, k, geometry), x, k)
    dy = normal(2, y.shape)
    np.testing.assert_array_equal(y, wanted)
    for found, exact in zip(gradients(dy), expected(dy), strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-4)


def test_the_gradient_of_the_kernel_is_not_rounded():
    x, k = normal(0, (64, 8, 8, 3), jnp.bfloat16), normal(1, (3, 3, 3, 4))
    geometry = Geometry(x.shape, k.shape, (1, 1), ((1, 1), (1, 1)), 1, x.dtype)
    y, gradients = jax.vjp(lambda x, k: wide_gradient.convolve(x, k, geometry), x, k)
    dy = normal(2, y.shape, jnp.bfloat16)
    dx, dk = gradients(dy)
    assert (y.dtype, dx.dtype, dk.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
    wide = geometry._replace(dtype=jnp.float32)
    exact = jax.vjp(lambda k: direct(x.astype(jnp.float32), k, wide), k)[1](dy.astype(jnp.float32))
    np.testing.assert_allclose(dk, exact[0], rtol=1e-4, atol=1e-3)
    assert np.abs(dk - dk.astype(jnp.bfloat16).astype(jnp.float32)).max() > 1e-2


def test_a_product_and_its_gradients():
    x, k = normal(0, (5, 7), jnp.bfloat16), normal(1, (7, 3))
    y, gradients = jax.vjp(wide_gradient.product, x, k)
    dy = normal(2, y.shape, jnp.bfloat16)
    dx, dk = gradients(dy)
    assert (y.dtype, dx.dtype, dk.dtype) == (jnp.bfloat16, jnp.bfloat16, jnp.float32)
    x64, dy64 = (np.asarray(a, np.float64) for a in (x, dy))
    np.testing.assert_allclose(dk, x64.T @ dy64, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(dx, np.float64), dy64 @ np.asarray(k).T, rtol=0.03, atol=0.05
    )
