"""Pooling as modules without parameters, so that it carries the paper's name, such as `pool1`."""

import flax.linen as nn
import jax

from jaxcnn import ops
from jaxcnn.ops.pool import Padding

Array = jax.Array


def smallest_map(out: int, window: int, stride: int, *, ceil: bool = False) -> int:
    """The smallest side of a map of which unpadded pooling makes `out` positions.

    With `ceil` the last window may overhang the map, in which it must start.
    """
    if ceil:
        return max(window, (out - 2) * stride + window + 1, (out - 1) * stride + 1)
    return (out - 1) * stride + window


class MaxPool(nn.Module):
    """Max pooling, [B, H, W, C] -> [B, H', W', C].

    `ceil` keeps a last window that overhangs the map, as Caffe does.
    """

    window: int
    stride: int
    padding: Padding = 0
    ceil: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return ops.max_pool(x, self.window, self.stride, padding=self.padding, ceil=self.ceil)


class AvgPool(nn.Module):
    """Average pooling, [B, H, W, C] -> [B, H', W', C].

    `ceil` keeps a last window that overhangs the map; `count_padding` says whether padded zeros
    count in the mean.
    """

    window: int
    stride: int
    padding: Padding = 0
    ceil: bool = False
    count_padding: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return ops.avg_pool(
            x,
            self.window,
            self.stride,
            padding=self.padding,
            ceil=self.ceil,
            count_padding=self.count_padding,
        )
