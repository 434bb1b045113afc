"""The layers with kernels, convolution and linear layer, and what all layers share.

Parameter trees are those of `nn.Conv`, `nn.Dense` and `nn.BatchNorm` (`kernel`, `bias`, `scale`,
`mean`, `var`), whatever lowering computes them.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.errors import ModelError
from jaxcnn.ops.pool import Padding

Array = jax.Array
Dtype = Any
Init = Callable[..., Array]

he_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")  # He et al. 2015, eq. 10
zeros = nn.initializers.zeros_init()
ones = nn.initializers.ones_init()


class Identity(nn.Module):
    """Gives back what it is given: a name for a map, such as the `features` that a head reads."""

    def __call__(self, x: Array) -> Array:
        return x


class Conv(nn.Module):
    """2-D convolution, zero padded, of [B, H, W, C] by a kernel [kh, kw, C / groups, features].

    It is computed in `dtype`. Raises ModelError where the channels do not split into `groups`.
    """

    features: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: Padding = 0
    groups: int = 1
    use_bias: bool = True
    dtype: Dtype = jnp.float32
    kernel_init: Init = he_normal
    bias_init: Init = zeros

    @nn.compact
    def __call__(self, x: Array) -> Array:
        size, channels = self.kernel_size, x.shape[-1]
        window = (size, size) if isinstance(size, int) else size
        if channels % self.groups or self.features % self.groups:
            raise ModelError(
                f"{self.name}: {channels} input and {self.features} output channels "
                f"do not split into {self.groups} groups"
            )
        shape = (*window, channels // self.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        y = ops.conv2d(
            x.astype(self.dtype),
            kernel,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
        )  # [B, H', W', features]
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
            y = y + bias.astype(self.dtype)[None, None, None, :]
        return y


class FullyConnected(nn.Module):
    """A linear layer over a `window` x `window` x C map, with the kernel of `nn.Dense`.

    The kernel is [window * window * C, features]. Given exactly that window, the layer is that of
    the paper, [B, window, window, C] -> [B, 1, 1, features]. Given a larger map, it is the same
    layer slid over the map as a convolution, -> [B, H - window + 1, W - window + 1, features]
    (OverFeat; VGG section 3.2). Raises ModelError for a smaller map.
    """

    features: int
    window: int = 1
    use_bias: bool = True
    dtype: Dtype = jnp.float32
    kernel_init: Init = he_normal
    bias_init: Init = zeros

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h, w, c = x.shape[1:]
        k = self.window
        if min(h, w) < k:
            raise ModelError(
                f"{self.name} slides a {k}x{k} window and was given a {h}x{w} map: "
                "use a larger image"
            )
        shape = (k * k * c, self.features)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        x = x.astype(self.dtype)
        if (h, w) == (k, k):
            y = ops.linear(x, kernel)[:, None, None, :]  # [B, 1, 1, features]
        else:
            y = ops.conv2d(x, kernel.reshape(k, k, c, self.features))  # [B, H-k+1, W-k+1, features]
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
            y = y + bias.astype(self.dtype)[None, None, None, :]
        return y
