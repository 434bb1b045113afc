"""EfficientNet: Tan & Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019 (arXiv:1905.11946).

One table, B0's (table 1), and two coefficients: `width` multiplies its channels, `depth` its repeats. The shipped coefficients of B1
to B7 are set by hand and only near the paper's formula, which is `compound`.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activations import Swish
from jaxcnn.layers.basic import (
    BatchNorm,
    Conv,
    SqueezeExcite,
    StochasticDepth,
    check_images,
    pooled_head,
)

Array = jax.Array

# Width, depth, resolution and dropout are the authors' code's (tensorflow/tpu, efficientnet_builder.py). The weights most people have
# are torchvision's, so BatchNorm's epsilon and momentum follow it; the authors' are 1e-3 and 0.99 throughout.
# fmt: off
VARIANTS = {
    "efficientnet_b0": dict(module="EfficientNet", width=1.0, depth=1.0, input_shape=(224, 224, 3), dropout_rate=0.2),
    "efficientnet_b1": dict(module="EfficientNet", width=1.0, depth=1.1, input_shape=(240, 240, 3), dropout_rate=0.2),
    "efficientnet_b2": dict(module="EfficientNet", width=1.1, depth=1.2, input_shape=(260, 260, 3), dropout_rate=0.3),  # torchvision: 288
    "efficientnet_b3": dict(module="EfficientNet", width=1.2, depth=1.4, input_shape=(300, 300, 3), dropout_rate=0.3),
    "efficientnet_b4": dict(module="EfficientNet", width=1.4, depth=1.8, input_shape=(380, 380, 3), dropout_rate=0.4),
    "efficientnet_b5": dict(module="EfficientNet", width=1.6, depth=2.2, input_shape=(456, 456, 3), dropout_rate=0.4, bn_epsilon=1e-3, bn_momentum=0.99),
    "efficientnet_b6": dict(module="EfficientNet", width=1.8, depth=2.6, input_shape=(528, 528, 3), dropout_rate=0.5, bn_epsilon=1e-3, bn_momentum=0.99),
    "efficientnet_b7": dict(module="EfficientNet", width=2.0, depth=3.1, input_shape=(600, 600, 3), dropout_rate=0.5, bn_epsilon=1e-3, bn_momentum=0.99),
}

# Table 1, stages 2 to 8 of B0: (expansion, kernel, stride of the first block, output channels, repeats).
B0 = (
    (1, 3, 1,  16, 1),  # [B, 112, 112, 16]
    (6, 3, 2,  24, 2),  # [B, 56, 56, 24]
    (6, 5, 2,  40, 2),  # [B, 28, 28, 40]
    (6, 3, 2,  80, 3),  # [B, 14, 14, 80]
    (6, 5, 1, 112, 3),  # [B, 14, 14, 112]; the first arXiv version prints 28 x 28
    (6, 5, 2, 192, 4),  # [B, 7, 7, 192]
    (6, 3, 1, 320, 1),  # [B, 7, 7, 320]
)
# fmt: on
STEM, HEAD = 32, 1280  # channels of stages 1 and 9
ALPHA, BETA, GAMMA = (
    1.2,
    1.1,
    1.15,
)  # section 3.3: depth, width, resolution for phi = 1; alpha beta^2 gamma^2 = 1.92, about 2

he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# The authors count a depthwise kernel's fan-out as k * k, which is the fan-in of a kernel [k, k, 1, C].
depthwise_init = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
fc_init = nn.initializers.variance_scaling(
    1 / 3, "fan_out", "uniform"
)  # uniform in +-1/sqrt(classes)

SMALLEST = 1  # every convolution is padded by half its window, so one pixel stays one pixel


def compound(phi: float) -> dict[str, Any]:
    """The fields of the network that section 3.3's rule gives: `create_model("efficientnet_b0", **compound(1.5))`."""
    size = round(224 * GAMMA**phi)
    return dict(width=BETA**phi, depth=ALPHA**phi, input_shape=(size, size, 3))


def round_filters(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 that is at least 8 and does not lose more than a tenth."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def round_repeats(repeats: int, depth: float) -> int:
    """`repeats` times `depth`, rounded up."""
    return math.ceil(repeats * depth)


class ConvNorm(nn.Module):
    """Convolution without bias, BatchNorm, and swish unless `linear`."""

    features: int
    kernel_size: int
    conv: Any
    norm: Any
    stride: int = 1
    groups: int = 1
    linear: bool = False
    same_padding: bool = False

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        padding = "SAME" if self.same_padding else self.kernel_size // 2
        init = he_fan_out if self.groups == 1 else depthwise_init
        conv = partial(
            self.conv, stride=self.stride, padding=padding, groups=self.groups, kernel_init=init
        )
        x = conv(self.features, self.kernel_size, name="conv")(x)  # [B, H/s, W/s, features]
        x = self.norm(name="bn")(x, train)
        return x if self.linear else Swish(name="swish")(x)


class MBConv(nn.Module):
    """Inverted bottleneck: 1x1 `expand`, depthwise convolution, squeeze-and-excitation, linear 1x1 `project`, x added if it fits.

    The gate squeezes to a quarter of the block's input channels, not of the expanded ones.
    """

    features: int
    kernel_size: int
    stride: int
    expansion: int
    drop_rate: float
    layer: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        channels = x.shape[-1]
        wide = channels * self.expansion
        y = x
        if self.expansion != 1:
            y = self.layer(wide, 1, name="expand")(y, train)  # [B, H, W, wide]
        y = self.layer(wide, self.kernel_size, stride=self.stride, groups=wide, name="depthwise")(
            y, train
        )  # [B, H/s, W/s, wide]
        y = SqueezeExcite(
            max(1, channels // 4), Swish, dtype=y.dtype, kernel_init=he_fan_out, name="se"
        )(y)
        y = self.layer(self.features, 1, linear=True, name="project")(
            y, train
        )  # [B, H/s, W/s, features]
        if self.stride != 1 or channels != self.features:
            return y
        return x + StochasticDepth(self.drop_rate, name="drop")(y, train)


class Stage(nn.Module):
    """Blocks of one width, the first of which has the stride; `drop_rates` has one stochastic-depth rate a block."""

    stride: int
    drop_rates: tuple[float, ...]
    block: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        for i, rate in enumerate(self.drop_rates):
            x = self.block(stride=1 if i else self.stride, drop_rate=rate, name=f"block{i + 1}")(
                x, train
            )  # [B, H/s, W/s, features]
        return x


class EfficientNet(nn.Module):
    """Stages 1 to 9 of table 1, scaled. Logits [B, num_classes], or with `class_map` [B, h, w, num_classes].

    `same_padding` pads as TensorFlow does (at the bottom and right first), for weights trained there; torchvision's pads evenly.
    `stochastic_depth_rate` is the last block's; a block's rate grows linearly from 0 with its depth (survival 0.8 in the paper).
    Raises ValueError for images without a pixel or with other than 1 or 3 channels.
    """

    width: float = 1.0
    depth: float = 1.0
    same_padding: bool = False
    stochastic_depth_rate: float = 0.2
    input_shape: tuple[int, int, int] = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.2
    class_map: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    bn_group_size: int = 0

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, SMALLEST, self.name or "EfficientNet")
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(
            BatchNorm, self.bn_momentum, self.bn_epsilon, self.bn_group_size, dtype=self.dtype
        )
        layer = partial(ConvNorm, conv=conv, norm=norm, same_padding=self.same_padding)
        x = images.astype(self.dtype)
        x = layer(round_filters(STEM, self.width), 3, stride=2, name="stage1")(
            x, train
        )  # [B, 112, 112, 32]
        repeats = [round_repeats(row[-1], self.depth) for row in B0]
        total, done = sum(repeats), 0
        for i, (expansion, kernel, stride, channels, _) in enumerate(B0):
            rates = tuple(
                self.stochastic_depth_rate * (done + j) / total for j in range(repeats[i])
            )
            block = partial(
                MBConv,
                round_filters(channels, self.width),
                kernel,
                expansion=expansion,
                layer=layer,
            )
            x = Stage(stride, rates, block, name=f"stage{i + 2}")(
                x, train
            )  # shapes beside the rows of B0
            done += repeats[i]
        x = layer(round_filters(HEAD, self.width), 1, name="stage9")(x, train)  # [B, 7, 7, 1280]
        head = partial(
            pooled_head,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=fc_init,
        )
        return head(x, self.num_classes)  # [B, K] or [B, h, w, K]
