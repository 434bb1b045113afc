"""Enlarging maps by transposed convolutions that start, or stay, bilinear."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.layers.geometry import Window

Array = jax.Array


def bilinear(window: Window) -> np.ndarray:
    """The weights of a bilinear transposed convolution along one axis: float32 [size].

    1 - |x / f - c| with f = ceil(size / 2) and c the middle, as Caffe's filler has it.
    """
    factor = -(-window.size // 2)
    middle = (window.size - 1) / 2
    distance = np.abs(np.arange(window.size) - middle) / factor
    return (1 - distance).astype(np.float32)


def bilinear_kernel(windows: tuple[Window, Window], channels: int) -> np.ndarray:
    """Those weights over both axes, each channel by itself: float32 [kh, kw, C, C]."""
    down, across = map(bilinear, windows)
    return np.einsum("i,j,cd->ijcd", down, across, np.eye(channels, dtype=np.float32))


def bilinear_matrix(window: Window, count: int, part: slice) -> np.ndarray:
    """The transposed convolution of `count` values as a matrix, of its output `part` alone.

    float32 [part, count]: row o, column i is the weight at o - stride * i.
    """
    line = bilinear(window)
    matrix = np.zeros(((count - 1) * window.stride + window.size, count), np.float32)
    for i in range(count):
        matrix[i * window.stride : i * window.stride + window.size, i] = line
    return matrix[part]


def cut(x: Array, rows: slice, columns: slice) -> Array:
    """Rows and columns of maps: [B, H, W, C] -> [B, h, w, C].

    The same as indexing, which JAX traces to a gather where the batch is open.
    """
    x = jax.lax.slice_in_dim(x, rows.start, rows.stop, axis=1)  # [B, h, W, C]
    return jax.lax.slice_in_dim(x, columns.start, columns.stop, axis=2)  # [B, h, w, C]


class Upsample(nn.Module):
    """Enlarges a score map by transposed convolutions, and cuts `rows` and `columns` out of it.

    `windows` are those of both axes. Learned, it starts bilinear and has a kernel
    [kh, kw, C, C]; else it is bilinear for good, and two small matrices do its work.
    """

    windows: tuple[Window, Window]
    rows: slice
    columns: slice
    learned: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if not self.learned:
            down = bilinear_matrix(self.windows[0], x.shape[1], self.rows)  # [H', H]
            across = bilinear_matrix(self.windows[1], x.shape[2], self.columns)  # [W', W]
            x = jnp.einsum("oi,bijc->bojc", down.astype(x.dtype), x)  # [B, H', W, C]
            return jnp.einsum("pj,bojc->bopc", across.astype(x.dtype), x)  # [B, H', W', C]
        (kh, sh, *_), (kw, sw, *_) = self.windows
        channels = x.shape[-1]
        kernel = self.param(
            "kernel", lambda key: jnp.asarray(bilinear_kernel(self.windows, channels))
        )  # [kh, kw, C, C]
        y = jax.lax.conv_general_dilated(
            x,
            jnp.flip(kernel, (0, 1)).astype(x.dtype),
            window_strides=(1, 1),
            padding=((kh - 1, kh - 1), (kw - 1, kw - 1)),
            lhs_dilation=(sh, sw),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # [B, (H - 1) sh + kh, (W - 1) sw + kw, C]
        return cut(y, self.rows, self.columns)  # [B, H', W', C]
