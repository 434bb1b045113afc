"""Two-dimensional convolution of NHWC images by HWIO kernels."""

import jax
from jax import lax

Array = jax.Array


def conv2d(x: Array, kernel: Array, *, stride=1, padding=0, groups: int = 1, lowering: str = "auto") -> Array:
    """Cross-correlates x [B, H, W, C] with kernel [kh, kw, C / groups, F] -> [B, H', W', F]."""
    strides = (stride, stride) if isinstance(stride, int) else tuple(stride)
    if isinstance(padding, int):
        padding = ((padding, padding), (padding, padding))
    elif not isinstance(padding, str) and isinstance(padding[0], int):
        padding = ((padding[0], padding[0]), (padding[1], padding[1]))
    return lax.conv_general_dilated(
        x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )
