"""What a convolution is, and XLA's own form of it, which all others equal."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = jax.Array
Pads = tuple[tuple[int, int], tuple[int, int]]


class Geometry(NamedTuple):
    """What a convolution is, apart from the numbers: hashable."""

    x: tuple[int, ...]  # [B, H, W, C]
    kernel: tuple[int, ...]  # [kh, kw, C / groups, F]
    strides: tuple[int, int]
    pads: Pads
    groups: int
    dtype: jnp.dtype

    @property
    def out(self) -> tuple[int, int]:
        h, w = (
            (self.x[a + 1] + sum(self.pads[a]) - self.kernel[a]) // self.strides[a] + 1
            for a in (0, 1)
        )
        return h, w


def direct(x: Array, kernel: Array, g: Geometry) -> Array:
    """XLA's own convolution."""
    pads = g.pads
    if any(_gradient_aborts(g, axis) for axis in (0, 1)):
        x, pads = padded(x, pads), ((0, 0), (0, 0))
    return lax.conv_general_dilated(
        x,
        kernel,
        g.strides,
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=g.groups,
    )


def _gradient_aborts(g: Geometry, axis: int) -> bool:
    """Whether XLA may abort the process over the gradient of the images of a convolution.

    That gradient is a convolution over a map spread by the stride. Where it has along one axis a
    kernel of 2, a stride of 2 and no padding, XLA takes it for an axis of groups when it exchanges
    image and kernel, which it does for a kernel larger than the image (SwapConvOperands in the
    AlgebraicSimplifier of jaxlib 0.10.2). A map padded beforehand gives that gradient a padding.
    """
    taken = 2 * (g.out[axis] - 1)
    narrow = (g.kernel[axis], g.strides[axis], g.pads[axis][0]) == (2, 2, 1)
    return narrow and g.x[axis + 1] == taken


def padded(x: Array, pads: Pads) -> Array:
    """x [B, H, W, C] with zeros around the map."""
    zero = np.zeros((), x.dtype)
    return lax.pad(x, zero, ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))
