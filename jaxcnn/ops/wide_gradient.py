"""Layers in bfloat16 whose kernels keep their gradient in float32, so that devices add it as such.

A kernel that is converted to bfloat16 before the layer has a bfloat16 gradient, and the compiler
adds that over the devices before it converts it back. Here the conversion is part of the layer: the
matrix unit, which sums in float32 anyway, hands the gradient out unrounded.
"""

import jax
import jax.numpy as jnp
from jax import lax

from jaxcnn.ops.geometry import Geometry, direct
from jaxcnn.ops.linear_map import Bilinear, bilinear

Array = jax.Array


def convolve(x: Array, kernel: Array, g: Geometry) -> Array:
    """`direct` of x by the float32 `kernel` in the type of x; the kernel's gradient is float32."""
    return _convolve(x, kernel, g)


def _convolved(x: Array, kernel: Array, g: Geometry) -> Array:
    return direct(x, kernel.astype(x.dtype), g)


def _image_gradient(dy: Array, kernel: Array, g: Geometry) -> Array:
    x = jax.ShapeDtypeStruct(g.x, dy.dtype)
    (dx,) = jax.linear_transpose(lambda x: _convolved(x, kernel, g), x)(dy)
    return dx


def kernel_gradient(x: Array, dy: Array, g: Geometry) -> Array:
    """The gradient [kh, kw, C, F] of a kernel, float32, of x [B, H, W, C] and dy [B, H', W', F].

    It is a convolution of the images, with channels for a batch, by dy with the stride between its
    pixels.
    """
    pads = [_around(g, axis) for axis in (0, 1)]
    return lax.conv_general_dilated(
        x,
        dy,
        (1, 1),
        pads,
        rhs_dilation=g.strides,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
        preferred_element_type=jnp.float32,
    )


def _around(g: Geometry, axis: int) -> tuple[int, int]:
    """The padding of the images along an axis that leaves as many positions as the kernel has."""
    before = g.pads[axis][0]
    reach = (g.out[axis] - 1) * g.strides[axis] + g.kernel[axis]
    return before, reach - g.x[axis + 1] - before


def product(x: Array, kernel: Array) -> Array:
    """x [B, D] times the float32 `kernel` [D, F] in the type of x; its gradient is float32."""
    return _product(x, kernel, None)


def _multiplied(x: Array, kernel: Array, _: None) -> Array:
    return x @ kernel.astype(x.dtype)


def _input_gradient(dy: Array, kernel: Array, _: None) -> Array:
    return dy @ kernel.astype(dy.dtype).T


def _matrix_gradient(x: Array, dy: Array, _: None) -> Array:
    over_examples = (((0,), (0,)), ((), ()))
    return lax.dot_general(x, dy, over_examples, preferred_element_type=jnp.float32)  # [D, F]


_convolve = bilinear(Bilinear(_convolved, _image_gradient, kernel_gradient))
_product = bilinear(Bilinear(_multiplied, _input_gradient, _matrix_gradient))
