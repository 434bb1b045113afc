"""Every form of a kernel's gradient, against XLA's own convolution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops
from jaxcnn.ops import kernel_gradient as forms
from jaxcnn.ops.geometry import Geometry, direct

# image [B, H, W, C], kernel [kh, kw, C, F], stride, padding of (height, width)
CASES = {
    "3x3": ((2, 9, 8, 3), (3, 3, 3, 4), (1, 1), ((1, 1), (1, 1))),
    "stride": ((2, 9, 8, 3), (3, 3, 3, 4), (2, 2), ((1, 1), (0, 1))),
    "5x5": ((2, 7, 7, 3), (5, 5, 3, 4), (1, 1), ((2, 2), (2, 2))),
    "1x7": ((2, 7, 9, 3), (1, 7, 3, 4), (1, 1), ((0, 0), (3, 3))),
    "rows left over": ((2, 12, 12, 3), (3, 3, 3, 4), (4, 4), ((0, 0), (0, 0))),
}


def normal(seed, shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def drawn(image, kernel, stride, pads):
    """(geometry, x, dy, the kernel's gradient by XLA)."""
    g = Geometry(image, kernel, stride, pads, 1, jnp.dtype("float32"))
    x, dy = normal(0, image), normal(1, (image[0], *g.out, kernel[3]))
    (expected,) = jax.linear_transpose(lambda k: direct(x, k, g), normal(2, kernel))(dy)
    return g, x, dy, expected


@pytest.mark.parametrize("form", [forms.by_products, forms.in_pieces])
@pytest.mark.parametrize("case", CASES)
def test_forms_equal_xla(form, case):
    g, x, dy, expected = drawn(*CASES[case])
    np.testing.assert_allclose(form(x, dy, g), expected, rtol=1e-4, atol=1e-4)


def test_products_are_taken_on_the_maps_where_they_pay():
    """From 27x27 pixels and 48 channels on, where a network of the papers meets them."""
    g, x, dy, expected = drawn((1, 29, 29, 48), (3, 3, 48, 48), (1, 1), ((0, 0), (0, 0)))
    assert forms.products_pay(g)
    assert not forms.products_pay(g._replace(kernel=(3, 3, 47, 48)))
    assert not forms.products_pay(g._replace(kernel=(1, 1, 48, 48)))
    text = str(jax.make_jaxpr(lambda x, dy: forms.kernel_gradient(x, dy, g))(x, dy))
    assert text.count("dot_general") == 9 and "conv_general_dilated" not in text
    limit = 1e-5 * float(jnp.abs(expected).max())
    np.testing.assert_allclose(forms.kernel_gradient(x, dy, g), expected, atol=limit)


def test_a_convolution_without_padding_is_that_of_xla():
    """On a map of 30x30 and more it is padded and cut; image and kernel have the same gradients."""
    x, k = normal(0, (2, 33, 34, 5)), normal(1, (3, 3, 5, 4))
    y, gradients = jax.vjp(lambda x, k: ops.conv2d(x, k, lowering="blocked"), x, k)
    wanted, expected = jax.vjp(lambda x, k: ops.conv2d(x, k, lowering="direct"), x, k)
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-4)
    for found, exact in zip(gradients(y), expected(y), strict=True):
        limit = 1e-5 * float(jnp.abs(exact).max())
        np.testing.assert_allclose(found, exact, atol=limit)
    traced = str(jax.make_jaxpr(lambda x, k: ops.conv2d(x, k, lowering="blocked"))(x, k))
    assert "padding=((1, 1), (1, 1))" in traced
