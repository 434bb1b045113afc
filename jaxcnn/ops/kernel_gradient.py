"""Forms of the gradient of a convolution's kernel on a CPU; docs/benchmarks.md has the times."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.ops import winograd
from jaxcnn.ops.geometry import Array, Geometry, direct, padded

# Pixels of the output in a piece. XLA:CPU reads the whole output gradient again for every row of
# its weight gradient: it is three times faster in pieces that fit a cache.
PIECE = 7_000
# From this many channels on, a 3x3 kernel's gradient is faster by Winograd's sums than by either.
WINOGRAD_CHANNELS = 128
# A kernel's gradient is faster as matrix products from this many channels on, on maps of this size.
PRODUCT_CHANNELS = 48
PRODUCT_MAPS = (27 * 27, 80 * 80)  # pixels of the smallest and the largest


def kernel_gradient(x: Array, dy: Array, g: Geometry) -> Array:
    """The gradient [kh, kw, C, F] of a kernel, in the form that is fastest on a CPU.

    It is that of images x [B, H, W, C] and dy [B, H', W', F], for a convolution without groups.
    """
    if _winograd_pays(g):
        return winograd.weight_gradient(x, dy, g.pads)
    if products_pay(g):
        return by_products(x, dy, g)
    return in_pieces(x, dy, g)


def _winograd_pays(g: Geometry) -> bool:
    fits = g.kernel[:2] == (3, 3) and g.strides == (1, 1) and g.dtype == jnp.float32
    return fits and min(g.kernel[2:]) >= WINOGRAD_CHANNELS


def products_pay(g: Geometry) -> bool:
    """Whether matrix products are the fastest form for a convolution."""
    rows, columns = g.out
    several = g.kernel[0] * g.kernel[1] > 1
    return (
        several
        and min(g.kernel[2:]) >= PRODUCT_CHANNELS
        and PRODUCT_MAPS[0] <= rows * columns <= PRODUCT_MAPS[1]
    )


def by_products(x: Array, dy: Array, g: Geometry) -> Array:
    """The gradient of the kernel, for each of its places one matrix product over all pixels."""
    x = padded(x, g.pads)
    (kh, kw, c, f), (sh, sw) = g.kernel, g.strides
    rows, columns = g.out
    pixels = dy.reshape(-1, f)  # [B H' W', F]
    products = [
        x[:, i : i + sh * (rows - 1) + 1 : sh, j : j + sw * (columns - 1) + 1 : sw].reshape(-1, c).T
        @ pixels  # [C, F]
        for i in range(kh)
        for j in range(kw)
    ]
    return jnp.stack(products).reshape(g.kernel)  # [kh, kw, C, F]


def in_pieces(x: Array, dy: Array, g: Geometry) -> Array:
    """The gradient of the kernel, one convolution for each piece of about `PIECE` pixels.

    It is one piece where everything is small.
    """
    b, rows, columns = dy.shape[:3]
    if b * rows * columns <= 4 * PIECE:
        piece, examples = rows, b
    else:
        piece, examples = max(1, min(rows, PIECE // columns)), 1
    x = padded(x, g.pads)
    (stride, _), kh = g.strides, g.kernel[0]
    total: Any = None
    for example in range(0, b, examples):
        for row in range(0, rows, piece):
            dy_part = dy[example : example + examples, row : row + piece]
            x_part = x[
                example : example + examples,
                stride * row : stride * (row + dy_part.shape[1] - 1) + kh,
            ]
            part = g._replace(x=x_part.shape, pads=((0, 0), (0, 0)))
            empty = jax.ShapeDtypeStruct(g.kernel, x.dtype)
            (dk,) = jax.linear_transpose(
                lambda k, x_part=x_part, part=part: direct(x_part, k, part), empty
            )(dy_part)
            total = dk if total is None else total + dk
    return total
