"""The linen layers that every network here is built from.

Parameter trees are those of `nn.Conv`, `nn.Dense` and `nn.BatchNorm` (`kernel`, `bias`, `scale`, `mean`, `var`), whatever
lowering computes them. Pooling and normalisation are modules without parameters, so that they carry the paper's name
(`pool1`, `norm1`) and `capture_intermediates` finds their outputs.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers.activations import Activation, Identity, ReLU, Sigmoid, activation_name
from jaxcnn.ops.pool import Padding

Array = jax.Array
Dtype = Any
Init = Callable[..., Array]


he_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")  # He et al. 2015, eq. 10
zeros = nn.initializers.zeros_init()
ones = nn.initializers.ones_init()


def check_images(images: Array, smallest: int, name: str) -> None:
    """Raises ValueError unless `images` is [B, H, W, C] with C in (1, 3) and H, W >= `smallest` pixels."""
    found = f"{name} was given an array of shape {tuple(images.shape)}"
    if images.ndim != 4:
        raise ValueError(f"{found}; expected images [batch, height, width, channels]")
    if min(images.shape[1:3]) < smallest:
        raise ValueError(f"{found}; the smallest image it can take is {smallest}x{smallest} pixels")
    if images.shape[3] not in (1, 3):
        raise ValueError(f"{found}; expected 1 (grey) or 3 (RGB) channels in the last axis")


class Conv(nn.Module):
    """2-D convolution of [B, H, W, C] by a kernel [kh, kw, C / groups, features], zero padded; computed in `dtype`."""

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
        kh, kw = (
            (self.kernel_size, self.kernel_size)
            if isinstance(self.kernel_size, int)
            else self.kernel_size
        )
        channels = x.shape[-1]
        if channels % self.groups or self.features % self.groups:
            raise ValueError(
                f"{self.name}: {channels} input and {self.features} output channels do not split into {self.groups} groups"
            )
        kernel = self.param(
            "kernel",
            self.kernel_init,
            (kh, kw, channels // self.groups, self.features),
            jnp.float32,
        )
        y = ops.conv2d(
            x.astype(self.dtype),
            kernel.astype(self.dtype),
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
        )  # [B, H', W', features]
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
            y = y + bias.astype(self.dtype)[None, None, None, :]
        return y


class FullyConnected(nn.Module):
    """A linear layer over a `window` x `window` x C map, stored as `nn.Dense` stores it: kernel [window * window * C, features].

    Given exactly that window it is the layer of the paper, [B, window, window, C] -> [B, 1, 1, features]. Given a larger map it is
    the same layer slid over it as a convolution, -> [B, H - window + 1, W - window + 1, features] (OverFeat; VGG section 3.2).
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
            raise ValueError(
                f"{self.name} slides a {k}x{k} window and was given a {h}x{w} map: use a larger image"
            )
        kernel = self.param(
            "kernel", self.kernel_init, (k * k * c, self.features), jnp.float32
        ).astype(self.dtype)
        x = x.astype(self.dtype)
        if (h, w) == (k, k):
            y = ops.linear(x, kernel)[:, None, None, :]  # [B, 1, 1, features]
        else:
            y = ops.conv2d(x, kernel.reshape(k, k, c, self.features))  # [B, H-k+1, W-k+1, features]
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), jnp.float32)
            y = y + bias.astype(self.dtype)[None, None, None, :]
        return y


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) of [B, ..., C] with statistics over explicit groups of the batch.

    With `group_size` g the batch is read as [B / g, g] and each group of g consecutive examples is normalised by its own mean and
    variance; 0 means the whole batch. The numbers are then a property of the recipe and not of how many devices share the batch.
    Running statistics (collection `batch_stats`) average over the groups; the variance is the unbiased one (paper, algorithm 2).
    `momentum` is the share of the old running value that is kept (PyTorch's momentum is one minus this).
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    group_size: int = 0
    use_scale: bool = True
    use_bias: bool = True
    dtype: Dtype = jnp.float32
    scale_init: Init = ones
    bias_init: Init = zeros

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        features = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)
        scale = (
            self.param("scale", self.scale_init, features, jnp.float32) if self.use_scale else None
        )
        bias = self.param("bias", self.bias_init, features, jnp.float32) if self.use_bias else None
        if not train:
            return ops.batch_norm(
                x, mean.value, var.value, scale, bias, epsilon=self.epsilon
            ).astype(self.dtype)
        y, batch_mean, batch_var = ops.batch_norm_train(
            x, scale, bias, epsilon=self.epsilon, group_size=self.group_size
        )
        if not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * batch_mean
            var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
        return y.astype(self.dtype)


class LocalResponseNorm(nn.Module):
    """Across-channel response normalisation; see `ops.local_response_norm` for the two conventions of `alpha`."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    groups: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return ops.local_response_norm(
            x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k, groups=self.groups
        )


class MaxPool(nn.Module):
    """Max pooling, [B, H, W, C] -> [B, H', W', C]; `ceil` keeps a last window that overhangs the map, as Caffe does."""

    window: int
    stride: int
    padding: Padding = 0
    ceil: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return ops.max_pool(x, self.window, self.stride, padding=self.padding, ceil=self.ceil)


class AvgPool(nn.Module):
    """Average pooling, [B, H, W, C] -> [B, H', W', C]; `count_padding` says whether padded zeros count in the mean."""

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


class SqueezeExcite(nn.Module):
    """Channel gate (Hu et al. 2018): mean over the map, 1x1 `reduce`, `activation`, 1x1 `expand`, sigmoid, multiply."""

    squeezed: int
    activation: type[Activation] = ReLU
    dtype: Dtype = jnp.float32
    kernel_init: Init = he_normal

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gate = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
        gate = Conv(
            self.squeezed, 1, dtype=self.dtype, kernel_init=self.kernel_init, name="reduce"
        )(gate)
        gate = self.activation(name=activation_name(self.activation))(gate)
        expand = Conv(x.shape[-1], 1, dtype=self.dtype, kernel_init=self.kernel_init, name="expand")
        return x * Sigmoid(name="sigmoid")(expand(gate))


class StochasticDepth(nn.Module):
    """Drops the residual branch of whole examples with probability `rate` in training (Huang et al. 2016), rescaling the rest."""

    rate: float

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        if not train or self.rate == 0.0:
            return x
        return nn.Dropout(self.rate, broadcast_dims=tuple(range(1, x.ndim)))(x, deterministic=False)


def pooled_head(
    x: Array,
    num_classes: int,
    *,
    dropout_rate: float,
    train: bool,
    class_map: bool,
    name: str = "fc",
    **dense: Any,
) -> Array:
    """Global average pooling, dropout and one linear layer: [B, H, W, C] -> logits [B, K] in float32.

    With `class_map` the linear layer is applied at every position instead, [B, H, W, K]: its mean over the map is the logits, and a
    class's slice is its class activation map plus the bias (Zhou et al. 2016). The map that it reads is named `features`. Call it inside a
    module's compact method.
    """
    x = Identity(name="features")(x)
    if not class_map:
        x = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
    x = nn.Dropout(dropout_rate)(x, deterministic=not train)
    x = FullyConnected(num_classes, dtype=x.dtype, name=name, **dense)(
        x
    )  # [B, 1, 1, K] or [B, H, W, K]
    return as_logits(x, class_map)


def as_logits(x: Array, class_map: bool) -> Array:
    """The float32 class map [B, H, W, K] itself, or its mean over the map, the logits [B, K]; all classes on every device."""
    with jax.named_scope("logits"):
        x = x.astype(jnp.float32)
        return ops.whole(x if class_map else jnp.mean(x, axis=(1, 2)))  # [B, K]
