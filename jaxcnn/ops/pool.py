"""Pooling of NHWC maps: max, average, adaptive average.

Output sizes are rounded down, as PyTorch does by default, or up with `ceil`, as Caffe does.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.linear_map import linear_map
from jaxcnn.ops.target import current_target

Array = jax.Array
# One int for both sides of both axes, a pair (height, width), or explicit
# ((top, bottom), (left, right)); "SAME" is TensorFlow's.
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] | str


def _pads(
    size: int, window: int, stride: int, before: int, after: int, ceil: bool
) -> tuple[int, int]:
    """The (before, after) padding along one axis.

    With `ceil` a last window may overhang the map, but must not start in the padding.
    """
    span = size + before + after - window
    if span < 0:
        raise ValueError(
            f"a pooling window of {window} does not fit a map of {size} padded by {before} and "
            f"{after}"
        )
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
    full = [
        _pads(n, w, s, *p, ceil)
        for n, w, s, p in zip(x.shape[1:3], (wh, ww), (sh, sw), pads, strict=True)
    ]
    return (1, wh, ww, 1), (1, sh, sw, 1), [(0, 0), *pads, (0, 0)], [(0, 0), *full, (0, 0)]


def max_pool(x: Array, window, stride, *, padding: Padding = 0, ceil: bool = False) -> Array:
    """Takes the maximum over windows of x [B, H, W, C] -> [B, H', W', C].

    Padding never wins, and the first of equal maxima takes the gradient.
    """
    dims, strides, _, full = _geometry(x, window, stride, padding, ceil)
    if current_target().platform in ("cpu", "gpu") and jnp.issubdtype(x.dtype, jnp.floating):
        return _max_pool_by_place(x, dims, strides, tuple(full))
    return _maximum(x, dims, strides, full)


def _maximum(x: Array, dims, strides, pads) -> Array:
    lowest = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    return lax.reduce_window(x, lowest, lax.max, dims, strides, pads)


# XLA:CPU scatters the gradient of a maximum pixel by pixel; as sums of whole shifted maps the same
# numbers take 3 to 14 times less.
_max_pool_by_place = jax.custom_jvp(_maximum, nondiff_argnums=(1, 2, 3))


@_max_pool_by_place.defjvp
def _max_pool_tangent(dims, strides, pads, primals, tangents):
    (x,), (dx,) = primals, tangents
    y = _max_pool_by_place(x, dims, strides, pads)
    winners = _winners(x, y.shape, dims, strides, pads)
    windows = _Windows(x.shape[1:3], dims, strides, pads)
    (dy,) = linear_map(_taken_from_winners, _sent_to_winners, windows, [winners], [dx], like=[y])
    return y, dy


class _Windows(NamedTuple):
    """Where windows lie on a map: hashable."""

    size: tuple[int, ...]  # (H, W) of the map
    dims: tuple[int, int, int, int]
    strides: tuple[int, int, int, int]
    pads: tuple[tuple[int, int], ...]


def _winners(x: Array, shape: tuple[int, ...], dims, strides, pads) -> Array:
    """The place, counted by rows, that each window's first maximum has in the window.

    int8 [B, H', W', C], or int32 for windows above 127 pixels. It is found here and kept, and not
    by comparing with the maximum in the backward pass, where XLA may compute x once more, rounded
    otherwise.
    """
    padded = lax.pad(x, np.array(-np.inf, x.dtype), [(*pad, 0) for pad in pads])
    kind = jnp.int8 if dims[1] * dims[2] < 128 else jnp.int32
    # Where nothing is above -inf, it is the first place that lies on the map, never padding.
    best, first = None, jnp.broadcast_to(_first_on_map(shape, dims, strides, pads, kind), shape)
    for place, (i, j) in enumerate(_places(dims)):
        seen = _seen(padded, i, j, shape, strides)  # [B, H', W', C]
        if best is None:
            best = seen
            continue
        # As in PyTorch, a NaN is above everything, and a later one above an earlier one.
        better = (seen > best) | (seen != seen)
        first = jnp.where(better, jnp.array(place, kind), first)
        best = jnp.where(better, seen, best)
    return first


def _seen(padded: Array, i: int, j: int, shape: tuple[int, ...], strides) -> Array:
    """What place (i, j) of every window sees of the padded map: [B, H', W', C]."""
    end = (i + (shape[1] - 1) * strides[1] + 1, j + (shape[2] - 1) * strides[2] + 1)
    return lax.slice(padded, (0, i, j, 0), (padded.shape[0], *end, padded.shape[3]), strides)


def _first_on_map(shape: tuple[int, ...], dims, strides, pads, kind) -> np.ndarray:
    """The first place of each window that is not padding: [1, H', W', 1]."""
    rows, columns = (
        np.maximum(0, pads[axis][0] - strides[axis] * np.arange(shape[axis])) for axis in (1, 2)
    )
    place = dims[2] * rows[:, None] + columns[None, :]  # [H', W']
    return place[None, :, :, None].astype(kind)


def _places(dims) -> list[tuple[int, int]]:
    return [(i, j) for i in range(dims[1]) for j in range(dims[2])]


def _taken_from_winners(windows: _Windows, residuals, inputs):
    """What x holds in place of each window's maximum: [B, H', W', C]."""
    (winners,), (x,) = residuals, inputs
    zero = np.zeros((), x.dtype)
    padded = lax.pad(x, zero, [(*pad, 0) for pad in windows.pads])
    total = jnp.zeros(winners.shape, x.dtype)
    for place, (i, j) in enumerate(_places(windows.dims)):
        seen = _seen(padded, i, j, winners.shape, windows.strides)
        total = total + jnp.where(winners == place, seen, zero)
    return [total]


def _sent_to_winners(windows: _Windows, residuals, outputs):
    """The sum over windows of dy at the place of their maximum: [B, H, W, C]."""
    (first,), (dy,) = residuals, outputs
    (h, w), dims, strides, pads = windows
    (_, sh, sw, _), ((top, _), (left, _)) = strides, pads[1:3]
    b, rows, columns, c = dy.shape
    zero = np.zeros((), dy.dtype)
    shares = [
        ((i, j), jnp.where(first == place, dy, zero)) for place, (i, j) in enumerate(_places(dims))
    ]
    if (sh, sw) == (1, 1):
        placed = [
            lax.pad(
                share,
                zero,
                (
                    (0, 0, 0),
                    (i - top, h + top - i - rows, 0),
                    (j - left, w + left - j - columns, 0),
                    (0, 0, 0),
                ),
            )
            for (i, j), share in shares
        ]
        return [sum(placed[1:], placed[0])]  # [B, H, W, C]
    # A pixel at (i, j) of a stride x stride block gets its gradient from the window offsets of the
    # same remainder, so there is one map for each remainder: [B, tall, wide, C].
    tall, wide = -(-(h + sum(pads[1])) // sh), -(-(w + sum(pads[2])) // sw)
    maps = {(i, j): jnp.zeros((b, tall, wide, c), dy.dtype) for i in range(sh) for j in range(sw)}
    for (i, j), share in shares:
        down, right = i // sh, j // sw
        maps[i % sh, j % sw] += lax.pad(
            share,
            zero,
            (
                (0, 0, 0),
                (down, tall - rows - down, 0),
                (right, wide - columns - right, 0),
                (0, 0, 0),
            ),
        )
    lines = [jnp.stack([maps[i, j] for j in range(sw)], axis=3) for i in range(sh)]
    blocks = jnp.stack(lines, axis=2)  # [B, tall, sh, wide, sw, C]
    padded = blocks.reshape(b, tall * sh, wide * sw, c)
    return [padded[:, top : top + h, left : left + w]]  # [B, H, W, C]


def avg_pool(
    x: Array,
    window,
    stride,
    *,
    padding: Padding = 0,
    ceil: bool = False,
    count_padding: bool = True,
) -> Array:
    """Averages over windows of x [B, H, W, C] -> [B, H', W', C].

    `count_padding` counts padded zeros in the mean, but never the overhang of `ceil`.
    """
    dims, strides, pads, full = _geometry(x, window, stride, padding, ceil)
    total = lax.reduce_window(x, np.zeros((), x.dtype), lax.add, dims, strides, full)
    ones = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
    if count_padding:
        ones = jnp.pad(ones, pads, constant_values=1)
        full = [(0, f[1] - p[1]) for f, p in zip(full, pads, strict=True)]
    return total / lax.reduce_window(ones, np.zeros((), x.dtype), lax.add, dims, strides, full)


def adaptive_avg_pool(x: Array, size) -> Array:
    """Averages x [B, H, W, C] down, or repeats it up, to [B, size, size, C].

    `size` is one int or (rows, columns). The edges of the bins are PyTorch's.
    """
    for axis, out in zip((1, 2), (size, size) if isinstance(size, int) else size, strict=True):
        n = x.shape[axis]
        if n == out:
            continue
        bins = [
            lax.slice_in_dim(x, i * n // out, -(-(i + 1) * n // out), axis=axis) for i in range(out)
        ]
        x = jnp.concatenate([jnp.mean(b, axis=axis, keepdims=True) for b in bins], axis=axis)
    return x
