"""Pooling of NHWC maps: max, average, adaptive average; floor (PyTorch's default) or ceil (Caffe's) output sizes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = jax.Array
# One int for both sides of both axes, a pair (height, width), or explicit ((top, bottom), (left, right)); "SAME" is TensorFlow's.
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str


def _pads(size: int, window: int, stride: int, before: int, after: int, ceil: bool) -> tuple[int, int]:
    """The (before, after) padding along one axis; with `ceil` a last window may overhang, but must not start in the padding."""
    span = size + before + after - window
    if span < 0:
        raise ValueError(f"a pooling window of {window} does not fit a map of {size} padded by {before} and {after}")
    if not ceil:
        return before, after
    out = -(-span // stride) + 1
    if (out - 1) * stride >= size + before:
        out -= 1
    return before, after + max(0, (out - 1) * stride - span)


def _geometry(x: Array, window, stride, padding, ceil: bool):
    wh, ww = (window, window) if isinstance(window, int) else window
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    if isinstance(padding, str):
        pads = lax.padtype_to_pads(x.shape[1:3], (wh, ww), (sh, sw), padding)
    elif isinstance(padding, int):
        pads = [(padding, padding)] * 2
    else:
        pads = [(p, p) if isinstance(p, int) else tuple(p) for p in padding]
    full = [_pads(n, w, s, *p, ceil) for n, w, s, p in zip(x.shape[1:3], (wh, ww), (sh, sw), pads, strict=True)]
    return (1, wh, ww, 1), (1, sh, sw, 1), [(0, 0), *pads, (0, 0)], [(0, 0), *full, (0, 0)]


def max_pool(x: Array, window, stride, *, padding: Padding = 0, ceil: bool = False) -> Array:
    """Maximum over windows of x [B, H, W, C] -> [B, H', W', C]; padding never wins."""
    dims, strides, _, full = _geometry(x, window, stride, padding, ceil)
    return lax.reduce_window(x, -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min, lax.max, dims, strides, full)


def avg_pool(x: Array, window, stride, *, padding: Padding = 0, ceil: bool = False, count_padding: bool = True) -> Array:
    """Mean over windows of x [B, H, W, C] -> [B, H', W', C]; `count_padding` counts padded zeros (never the ceil overhang)."""
    dims, strides, pads, full = _geometry(x, window, stride, padding, ceil)
    total = lax.reduce_window(x, np.zeros((), x.dtype), lax.add, dims, strides, full)
    ones = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    if count_padding:
        ones = jnp.pad(ones, pads, constant_values=1)
        full = [(0, f[1] - p[1]) for f, p in zip(full, pads, strict=True)]
    return total / lax.reduce_window(ones, np.zeros((), x.dtype), lax.add, dims, strides, full)


def adaptive_avg_pool(x: Array, size) -> Array:
    """Averages x [B, H, W, C] down (or repeats it up) to [B, size, size, C], with PyTorch's bin edges."""
    for axis, out in zip((1, 2), (size, size) if isinstance(size, int) else size, strict=True):
        n = x.shape[axis]
        if n == out:
            continue
        bins = [lax.slice_in_dim(x, i * n // out, -(-(i + 1) * n // out), axis=axis) for i in range(out)]
        x = jnp.concatenate([jnp.mean(b, axis=axis, keepdims=True) for b in bins], axis=axis)
    return x
