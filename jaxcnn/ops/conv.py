"""Two-dimensional convolution of NHWC images by HWIO kernels, and the choice of its form."""

from functools import partial
from typing import Any

import jax
from jax import lax

from jaxcnn.ops import parallel, wide_gradient
from jaxcnn.ops.geometry import Geometry, Pads
from jaxcnn.ops.lowerings import LOWERINGS
from jaxcnn.ops.pool import Padding
from jaxcnn.ops.target import ANY, Target, current_target

Array = jax.Array

# Split into this many convolutions at most: beyond it compiling costs more than the groups do.
MOST_SPLITS = 64
# Winograd's sums are 4 times the map: when one of its two sets is larger than this, they fall out
# of the cache and it gains nothing.
WINOGRAD_BYTES = 48 << 20


def conv2d(
    x: Array,
    kernel: Array,
    *,
    stride: int | tuple[int, int] = 1,
    padding: Padding = 0,
    groups: int = 1,
    lowering: str = "auto",
) -> Array:
    """Cross-correlates x [B, H, W, C] with kernel [kh, kw, C / groups, F] -> [B, H', W', F].

    It computes in the type of x, whatever that of the kernel is.
    `padding` is an int for all sides, a pair (height, width), ((top, bottom), (left, right)), or
    "SAME" or "VALID". `lowering` is a name in `LOWERINGS`, all of which give the same numbers to
    rounding; "auto" takes the fastest one measured for the target (docs/benchmarks.md). Raises
    ValueError for one that cannot compute this convolution.
    """
    if not current_target().wide_sums:
        kernel = kernel.astype(x.dtype)
    strides = (stride, stride) if isinstance(stride, int) else (stride[0], stride[1])
    pads = _pads(x, kernel, strides, padding)
    geometry = Geometry(x.shape, kernel.shape, strides, pads, groups, x.dtype)
    if lowering == "auto":
        division = parallel.towers()
        if division and (groups == 1 or groups % division.parts == 0):
            return _in_towers(division, x, kernel, geometry)
        return _fastest(x, kernel, geometry)
    if lowering not in LOWERINGS:
        raise ValueError(
            f"there is no lowering {lowering!r} of a convolution; there are auto, "
            f"{', '.join(LOWERINGS)}"
        )
    reason = LOWERINGS[lowering].unusable(geometry)
    if reason:
        usable = [name for name, (unusable, _) in LOWERINGS.items() if not unusable(geometry)]
        raise ValueError(
            f"lowering {lowering!r} cannot compute this convolution: {reason}; use auto, "
            f"{', '.join(usable)}"
        )
    return _apply(x, kernel.astype(x.dtype), geometry, lowering)


def _pads(x: Array, kernel: Array, strides: tuple[int, int], padding: Any) -> Pads:
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    top, left = (padding, padding) if isinstance(padding, int) else padding
    (top, bottom), (left, right) = (
        (side, side) if isinstance(side, int) else side for side in (top, left)
    )
    return (top, bottom), (left, right)


def _fastest(x: Array, kernel: Array, geometry: Geometry) -> Array:
    name = choose(geometry, current_target())
    if kernel.dtype != x.dtype and name != "split":
        if name == "direct" and geometry.groups == 1:
            return wide_gradient.convolve(x, kernel, geometry)
        kernel = kernel.astype(x.dtype)
    return _apply(x, kernel, geometry, name)


def _in_towers(division: parallel.Division, x: Array, kernel: Array, geometry: Geometry) -> Array:
    groups = max(1, geometry.groups // division.parts)

    def convolve(x: Array, kernel: Array) -> Array:
        share = geometry._replace(x=x.shape, kernel=kernel.shape, groups=groups)
        return _fastest(x, kernel, share)

    return parallel.apply_kernel(division, convolve, x, kernel, gather=geometry.groups == 1)


# The target is part of jit's key, so `split` may look at it in here.
@partial(jax.jit, static_argnames=("geometry", "name"))
def _apply(x: Array, kernel: Array, geometry: Geometry, name: str) -> Array:
    if name == "split":
        return LOWERINGS[name].apply(x, kernel, geometry, convolve=_one_group)
    return LOWERINGS[name].apply(x, kernel, geometry)


def _one_group(x: Array, kernel: Array, *, stride: tuple[int, int], padding: Pads) -> Array:
    return _fastest(x, kernel, Geometry(x.shape, kernel.shape, stride, padding, 1, x.dtype))


def choose(g: Geometry, target: Target) -> str:
    """The name of the fastest lowering of a convolution for `target`.

    Partitioned over devices, a grouped convolution left whole gathers its batch. Sums that cut the
    batch, or that put several products in place of one all-reduce, would add traffic, so they are
    for one device and for a batch whose size is known.
    """
    if target.platform == ANY:
        return "direct"
    few_channels = g.kernel[2] <= 4 and min(g.strides) > 1
    if g.groups > 1:
        depthwise = not LOWERINGS["shifted"].unusable(g)
        if depthwise:
            return "shifted" if target.platform == "cpu" else "direct"
        return "split" if g.groups <= MOST_SPLITS else "direct"
    if target.platform == "gpu":
        return "space_to_depth" if few_channels else "direct"
    if target.platform != "cpu":
        return "direct"
    if g.kernel[:2] == (1, 1):
        return "matmul"
    if target.devices > 1 or not isinstance(g.x[0], int):
        return "direct"
    return "winograd" if _winograd_pays(g) else "blocked"


def _winograd_pays(g: Geometry) -> bool:
    if LOWERINGS["winograd"].unusable(g):
        return False
    (h, w), (c, f) = g.out, g.kernel[2:]
    patches = g.x[0] * -(-h // 2) * -(-w // 2)
    return min(c, f) >= 64 and 16 * 4 * patches * max(c, f) <= WINOGRAD_BYTES
