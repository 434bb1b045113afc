"""The forms of a convolution; each equals `direct`, forward and in both gradients.

Every form is a `Lowering`: a test that says why it cannot compute a given `Geometry` (None: it
can), and a function of (x, kernel, geometry).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops import winograd as minimal_filtering
from jaxcnn.ops.depthwise import Windows, depthwise
from jaxcnn.ops.geometry import Array, Geometry, direct, padded
from jaxcnn.ops.kernel_gradient import kernel_gradient
from jaxcnn.ops.linear_map import Bilinear, bilinear


class Lowering(NamedTuple):
    unusable: Callable[[Geometry], str | None]
    apply: Callable[..., Any]  # (x, kernel, geometry) -> y; `split` also takes `convolve`


def matmul(x: Array, kernel: Array, g: Geometry) -> Array:
    """A 1x1 convolution as one matrix product over all pixels that its stride takes."""
    x = padded(x, g.pads)
    x = x[:, :: g.strides[0], :: g.strides[1]]  # [B, H', W', C]
    c, f = g.kernel[2:]
    return (x.reshape(-1, c) @ kernel.reshape(c, f)).reshape(*x.shape[:3], f)  # [B, H', W', F]


def split(x: Array, kernel: Array, g: Geometry, *, convolve: Callable[..., Array]) -> Array:
    """A grouped convolution as one `convolve` for each group, and a concatenation."""
    xs, kernels = jnp.split(x, g.groups, axis=-1), jnp.split(kernel, g.groups, axis=-1)
    parts = [
        convolve(part, k, stride=g.strides, padding=g.pads)
        for part, k in zip(xs, kernels, strict=True)
    ]
    return jnp.concatenate(parts, axis=-1)


def shifted(x: Array, kernel: Array, g: Geometry) -> Array:
    """A depthwise convolution, with any number of kernels a channel, as shifted multiply-adds."""
    multiplier = g.kernel[3] // g.groups
    if multiplier > 1:
        x = jnp.repeat(x, multiplier, axis=-1)  # [B, H, W, F]
    kernel = kernel.reshape(*g.kernel[:2], g.kernel[3])  # [kh, kw, F]
    return depthwise(x, kernel, Windows(g.x[1:3], g.kernel[:2], g.strides, g.pads))


def space_to_depth(x: Array, kernel: Array, g: Geometry) -> Array:
    """A strided convolution of few channels as one of stride 1 over blocks.

    The pixels of a block of stride x stride pixels become its channels.
    """
    (sh, sw), (kh, kw, c, f), (b, h, w, _) = g.strides, g.kernel, g.x
    qh, qw = -(-kh // sh), -(-kw // sw)  # the kernel in blocks
    rows, columns = g.out[0] + qh - 1, g.out[1] + qw - 1  # the map in blocks
    (top, _), (left, _) = g.pads
    zero = np.zeros((), x.dtype)
    x = lax.pad(
        x,
        zero,
        ((0, 0, 0), (top, sh * rows - h - top, 0), (left, sw * columns - w - left, 0), (0, 0, 0)),
    )
    x = x.reshape(b, rows, sh, columns, sw, c).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(b, rows, columns, sh * sw * c)  # [B, rows, columns, sh * sw * C]
    kernel = lax.pad(
        kernel, zero, ((0, sh * qh - kh, 0), (0, sw * qw - kw, 0), (0, 0, 0), (0, 0, 0))
    )
    kernel = kernel.reshape(qh, sh, qw, sw, c, f).transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(qh, qw, sh * sw * c, f)  # [qh, qw, sh * sw * C, F]
    # [B, H', W', F]
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


# Pixels of the output from which a 3x3 convolution without padding is faster with it.
FASTER_PADDED = 30 * 30


def _direct_from_padded(x: Array, kernel: Array, g: Geometry) -> Array:
    """`direct`, in a form that XLA:CPU does not give to its slow library.

    A 3x3 convolution without padding goes to a library of kernels that takes three to five times as
    long there as the padded one does, whose edge is cut off again.
    """
    whole = g.strides == (1, 1) and g.pads == ((0, 0), (0, 0))
    if g.kernel[:2] != (3, 3) or not whole or g.out[0] * g.out[1] < FASTER_PADDED:
        return direct(x, kernel, g)
    y = direct(x, kernel, g._replace(pads=((1, 1), (1, 1))))  # [B, H, W, F]
    return y[:, 1:-1, 1:-1]  # [B, H - 2, W - 2, F]


def _direct_image_gradient(dy: Array, kernel: Array, g: Geometry) -> Array:
    x = jax.ShapeDtypeStruct(g.x, dy.dtype)
    (dx,) = jax.linear_transpose(lambda x: direct(x, kernel, g), x)(dy)
    return dx


def _winograd(x: Array, kernel: Array, g: Geometry) -> Array:
    return minimal_filtering.convolve(x, kernel, g.pads)


def _winograd_image_gradient(dy: Array, kernel: Array, g: Geometry) -> Array:
    return minimal_filtering.image_gradient(dy, kernel, (g.x[1], g.x[2]), g.pads)


# `direct`, with the gradient of the kernel summed over pieces of the batch and the map.
blocked = bilinear(Bilinear(_direct_from_padded, _direct_image_gradient, kernel_gradient))
# A 3x3 convolution at stride 1 and the gradient of its images by Winograd's F(2x2, 3x3).
winograd = bilinear(Bilinear(_winograd, _winograd_image_gradient, kernel_gradient))


def _groups_one(g: Geometry) -> str | None:
    return None if g.groups == 1 else f"it takes groups=1, not {g.groups}"


def _matmul_unusable(g: Geometry) -> str | None:
    if g.kernel[:2] != (1, 1):
        return _groups_one(g) or f"it takes a 1x1 kernel, not {g.kernel[0]}x{g.kernel[1]}"
    return _groups_one(g)


def _split_unusable(g: Geometry) -> str | None:
    return None if g.groups > 1 else "it takes more than one group"


def _shifted_unusable(g: Geometry) -> str | None:
    if g.groups == g.x[3] and g.kernel[2] == 1:
        return None
    return f"it takes one group a channel, not {g.groups} for {g.x[3]} channels"


def _winograd_unusable(g: Geometry) -> str | None:
    if g.kernel[:2] != (3, 3) or g.strides != (1, 1):
        (kh, kw), (sh, sw) = g.kernel[:2], g.strides
        return f"it takes a 3x3 kernel at stride 1, not {kh}x{kw} at {sh}x{sw}"
    if g.dtype != jnp.float32:
        return _groups_one(g) or f"it takes float32, not {g.dtype}"
    return _groups_one(g)


LOWERINGS = {
    "direct": Lowering(lambda g: None, direct),
    "blocked": Lowering(_groups_one, blocked),
    "matmul": Lowering(_matmul_unusable, matmul),
    "winograd": Lowering(_winograd_unusable, winograd),
    "shifted": Lowering(_shifted_unusable, shifted),
    "space_to_depth": Lowering(_groups_one, space_to_depth),
    "split": Lowering(_split_unusable, split),
}
