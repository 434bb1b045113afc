"""Depthwise convolution as shifted multiply-adds.

It takes one pass over the map for each position of the kernel, which the compiler fuses. XLA's own
depthwise convolution is 10 to 100 times slower on the CPU. The gradients are written by hand: that
of the images in the same form, phase by phase of the stride; that of the kernel as one reduction
with a sum for every position of the kernel.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.linear_map import Bilinear, bilinear

Array = jax.Array


def _taken(x: Array, i: int, j: int, strides: tuple[int, int], out: tuple[int, int]) -> Array:
    """What position (i, j) of the kernel sees of the padded map: [B, H', W', C]."""
    stop = (
        x.shape[0],
        i + strides[0] * (out[0] - 1) + 1,
        j + strides[1] * (out[1] - 1) + 1,
        x.shape[3],
    )
    return lax.slice(x, (0, i, j, 0), stop, (1, *strides, 1))


def _pad(x: Array, pads) -> Array:
    return lax.pad(x, np.zeros((), x.dtype), ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))


def _wide(k: Array) -> Array:
    return k.astype(jnp.float32).reshape(1, 1, 1, -1)  # [1, 1, 1, C]


class Windows(NamedTuple):
    """Where a kernel lies on a map: hashable."""

    size: tuple[int, ...]  # (H, W) of the map
    kernel: tuple[int, ...]  # (kh, kw)
    strides: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

    @property
    def out(self) -> tuple[int, int]:
        h, w = (
            (self.size[a] + sum(self.pads[a]) - self.kernel[a]) // self.strides[a] + 1
            for a in (0, 1)
        )
        return h, w


def _convolve(x: Array, kernel: Array, windows: Windows) -> Array:
    padded = _pad(x, windows.pads)
    kh, kw = windows.kernel
    terms = (
        _taken(padded, i, j, windows.strides, windows.out).astype(jnp.float32) * _wide(kernel[i, j])
        for i in range(kh)
        for j in range(kw)
    )
    return sum(terms, np.float32(0)).astype(x.dtype)


def _image_gradient(g: Array, kernel: Array, windows: Windows) -> Array:
    """The gradient of the images, as one convolution for each phase of the stride.

    With stride s, pixel s * q + a of the padded map is seen at kernel position s * t + a by output
    q - t, for every t.
    """
    (sh, sw), (kh, kw), (h, w), pads = windows.strides, windows.kernel, windows.size, windows.pads
    b, c = g.shape[0], g.shape[3]
    rows, columns = -(-(h + sum(pads[0])) // sh), -(-(w + sum(pads[1])) // sw)
    # The largest t along either axis.
    reach = (-(-kh // sh) - 1, -(-kw // sw) - 1)
    g = _pad(g, ((reach[0], rows - g.shape[1]), (reach[1], columns - g.shape[2])))

    def phase(a: int, e: int) -> Array:
        total = jnp.zeros((b, rows, columns, c), jnp.float32)
        for i in range(a, kh, sh):
            for j in range(e, kw, sw):
                shifted = _taken(g, reach[0] - i // sh, reach[1] - j // sw, (1, 1), (rows, columns))
                total = total + shifted.astype(jnp.float32) * _wide(kernel[i, j])
        return total.astype(g.dtype)

    # sh times [B, rows, columns, sw, C]
    phases = [jnp.stack([phase(a, e) for e in range(sw)], axis=3) for a in range(sh)]
    padded = jnp.stack(phases, axis=2).reshape(b, rows * sh, columns * sw, c)
    top, left = pads[0][0], pads[1][0]
    return padded[:, top : top + h, left : left + w]


def _kernel_gradient(x: Array, g: Array, windows: Windows) -> Array:
    """The gradient of the kernel: each position's sum over the map, then over the batch.

    One reduction reads both maps once. The batch comes in a second step because the partitioner
    gathers the whole batch for a reduction of several arrays over an axis that devices share.
    """
    kh, kw = windows.kernel
    padded, g32 = _pad(x, windows.pads), g.astype(jnp.float32)
    products = [
        _taken(padded, i, j, windows.strides, windows.out).astype(jnp.float32) * g32
        for i in range(kh)
        for j in range(kw)
    ]
    zeros = [np.float32(0)] * len(products)
    # kh * kw times [B, C]
    sums = lax.reduce(
        products, zeros, lambda a, b: [p + q for p, q in zip(a, b, strict=True)], (1, 2)
    )
    total = jnp.sum(jnp.stack(sums), axis=1).reshape(kh, kw, x.shape[3])  # [kh, kw, C]
    return total.astype(x.dtype)


# depthwise(x, kernel, windows): x [B, H, W, C] by kernel [kh, kw, C] -> [B, H', W', C], summed in
# float32.
depthwise = bilinear(Bilinear(_convolve, _image_gradient, _kernel_gradient))
