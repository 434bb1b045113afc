"""EfficientNet: Tan & Le, "EfficientNet: rethinking model scaling", ICML 2019 (arXiv:1905.11946).

One table, B0's (table 1), and two coefficients: `width` multiplies its channels, `depth` its
repeats. The shipped coefficients of B1 to B7 are set by hand and only near the paper's formula,
which is `compound`.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers import (
    Activation,
    BatchNorm,
    Conv,
    ReLU6,
    SqueezeExcite,
    StochasticDepth,
    Swish,
    activation_name,
    check_images,
    pooled_head,
)

Array = jax.Array


def row(width: float, depth: float, size: int, dropout: float, **fields: Any) -> dict[str, Any]:
    """A row of `VARIANTS`."""
    sizes = dict(width=width, depth=depth, input_shape=(size, size, 3), dropout_rate=dropout)
    return dict(module="EfficientNet", **sizes, **fields)


# fmt: off
TENSORFLOW = dict(bn_epsilon=1e-3, bn_momentum=0.99)
# EfficientNet-Lite (the authors' code: tensorflow/tpu, efficientnet/lite) has no gates and ReLU6
# for swish; it scales neither the stem and the head nor the repeats of the first and the last
# stage. All its public weights were trained in TensorFlow.
LITE = dict(
    activation=ReLU6, squeeze_excite=False, fixed_ends=True, same_padding=True, **TENSORFLOW
)
# Width, depth, resolution and dropout are the authors' code's (tensorflow/tpu,
# efficientnet_builder.py). The weights most people have are torchvision's, so BatchNorm's epsilon
# and momentum follow it; the authors' are 1e-3 and 0.99 throughout.
VARIANTS = {
    "efficientnet_b0": row(1.0, 1.0, 224, 0.2),
    "efficientnet_b1": row(1.0, 1.1, 240, 0.2),
    "efficientnet_b2": row(1.1, 1.2, 260, 0.3),  # torchvision's weights were evaluated at 288
    "efficientnet_b3": row(1.2, 1.4, 300, 0.3),
    "efficientnet_b4": row(1.4, 1.8, 380, 0.4),
    "efficientnet_b5": row(1.6, 2.2, 456, 0.4, **TENSORFLOW),
    "efficientnet_b6": row(1.8, 2.6, 528, 0.5, **TENSORFLOW),
    "efficientnet_b7": row(2.0, 3.1, 600, 0.5, **TENSORFLOW),
    "efficientnet_lite0": row(1.0, 1.0, 224, 0.2, **LITE),
    "efficientnet_lite1": row(1.0, 1.1, 240, 0.2, **LITE),
    "efficientnet_lite2": row(1.1, 1.2, 260, 0.3, **LITE),
    "efficientnet_lite3": row(1.2, 1.4, 280, 0.3, **LITE),
    "efficientnet_lite4": row(1.4, 1.8, 300, 0.3, **LITE),
}

# Table 1, stages 2 to 8 of B0: (expansion, kernel, stride of the first block, output channels,
# repeats). The first arXiv version prints 28 x 28 for stage 6.
B0 = (
    (1, 3, 1,  16, 1),  # [B, 112, 112, 16]
    (6, 3, 2,  24, 2),  # [B, 56, 56, 24]
    (6, 5, 2,  40, 2),  # [B, 28, 28, 40]
    (6, 3, 2,  80, 3),  # [B, 14, 14, 80]
    (6, 5, 1, 112, 3),  # [B, 14, 14, 112]
    (6, 5, 2, 192, 4),  # [B, 7, 7, 192]
    (6, 3, 1, 320, 1),  # [B, 7, 7, 320]
)
# fmt: on
STEM, HEAD = 32, 1280  # channels of stages 1 and 9
# Section 3.3: depth, width, resolution for phi = 1; alpha beta^2 gamma^2 = 1.92, about 2.
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15

he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# The authors count a depthwise kernel's fan-out as k * k, the fan-in of a kernel [k, k, 1, C].
depthwise_init = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
# Uniform in +-1/sqrt(classes).
fc_init = nn.initializers.variance_scaling(1 / 3, "fan_out", "uniform")


def compound(phi: float) -> dict[str, Any]:
    """The fields that section 3.3's rule gives, as in `create_model(name, **compound(1.5))`."""
    size = round(224 * GAMMA**phi)
    return dict(width=BETA**phi, depth=ALPHA**phi, input_shape=(size, size, 3))


def round_filters(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8.

    It is at least 8 and does not lose more than a tenth.
    """
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def round_repeats(repeats: int, depth: float) -> int:
    """`repeats` times `depth`, rounded up."""
    return math.ceil(repeats * depth)


def scaled_repeats(blocks: tuple, depth: float, fixed_ends: bool) -> list[int]:
    """The number of blocks of each stage; `fixed_ends` leaves the first and the last unscaled."""
    repeats = [round_repeats(row[-1], depth) for row in blocks]
    if fixed_ends:
        repeats[0], repeats[-1] = blocks[0][-1], blocks[-1][-1]
    return repeats


class ConvNorm(nn.Module):
    """Convolution without bias, BatchNorm, and `activation` unless `linear`."""

    features: int
    kernel_size: int
    conv: Any
    norm: Any
    stride: int = 1
    groups: int = 1
    linear: bool = False
    same_padding: bool = False
    activation: type[Activation] = Swish

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        conv = self.conv(
            self.features,
            self.kernel_size,
            stride=self.stride,
            padding="SAME" if self.same_padding else self.kernel_size // 2,
            groups=self.groups,
            kernel_init=he_fan_out if self.groups == 1 else depthwise_init,
            name="conv",
        )
        x = self.norm(name="bn")(conv(x), train)  # [B, H/s, W/s, features]
        if self.linear:
            return x
        return self.activation(name=activation_name(self.activation))(x)


class MBConv(nn.Module):
    """Inverted bottleneck, [B, H, W, C] -> [B, H/s, W/s, features].

    A 1x1 convolution `expand`, a depthwise one, squeeze-and-excitation, a linear 1x1 `project`; x
    is added if it fits. The gate squeezes to a quarter of the block's input channels, not of the
    expanded ones.
    """

    features: int
    kernel_size: int
    stride: int
    expansion: int
    drop_rate: float
    layer: Any
    squeeze_excite: bool = True

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        channels = x.shape[-1]
        wide = channels * self.expansion
        y = x
        if self.expansion != 1:
            y = self.layer(wide, 1, name="expand")(y, train)  # [B, H, W, wide]
        depthwise = self.layer(
            wide, self.kernel_size, stride=self.stride, groups=wide, name="depthwise"
        )
        y = depthwise(y, train)  # [B, H/s, W/s, wide]
        if self.squeeze_excite:
            fields = dict(dtype=y.dtype, kernel_init=he_fan_out)
            y = SqueezeExcite(max(1, channels // 4), Swish, name="se", **fields)(y)
        project = self.layer(self.features, 1, linear=True, name="project")
        y = project(y, train)  # [B, H/s, W/s, features]
        if self.stride != 1 or channels != self.features:
            return y
        return x + StochasticDepth(self.drop_rate, name="drop")(y, train)


class Stage(nn.Module):
    """Blocks of one width, the first of which has the stride.

    `drop_rates` has one stochastic-depth rate a block.
    """

    stride: int
    drop_rates: tuple[float, ...]
    block: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        for i, rate in enumerate(self.drop_rates):
            stride = self.stride if i == 0 else 1
            block = self.block(stride=stride, drop_rate=rate, name=f"block{i + 1}")
            x = block(x, train)  # [B, H/s, W/s, features]
        return x


class EfficientNet(nn.Module):
    """Stages 1 to 9 of table 1, scaled: images [B, H, W, C] -> logits [B, num_classes].

    With `class_map` the result is [B, h, w, num_classes]. `blocks` is the table of stages 2 and
    after. `same_padding` pads as TensorFlow does (at the bottom and right first), for weights
    trained there; torchvision's pads evenly. `stochastic_depth_rate` is the last block's; a block's
    rate grows linearly from 0 with its depth (survival 0.8 in the paper). With `fixed_ends` neither
    the channels of stages 1 and 9 nor the repeats of stages 2 and 8 are scaled. Raises ModelError
    for
    images without a pixel or with other than 1 or 3 channels.
    """

    width: float = 1.0
    depth: float = 1.0
    blocks: tuple = B0
    same_padding: bool = False
    stochastic_depth_rate: float = 0.2
    activation: type[Activation] = Swish
    squeeze_excite: bool = True
    fixed_ends: bool = False
    input_shape: tuple[int, int, int] = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.2
    class_map: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    bn_group_size: int = 0

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels.

        All windows are padded by half their size, so one pixel stays one pixel.
        """
        return 1

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(
            BatchNorm, self.bn_momentum, self.bn_epsilon, self.bn_group_size, dtype=self.dtype
        )
        layer = partial(
            ConvNorm,
            conv=conv,
            norm=norm,
            same_padding=self.same_padding,
            activation=self.activation,
        )
        ends = 1.0 if self.fixed_ends else self.width
        stem = layer(round_filters(STEM, ends), 3, stride=2, name="stage1")
        x = stem(images.astype(self.dtype), train)  # [B, 112, 112, 32]
        repeats = scaled_repeats(self.blocks, self.depth, self.fixed_ends)
        total, done = sum(repeats), 0
        for i, (expansion, kernel, stride, channels, _) in enumerate(self.blocks):
            places = range(done, done + repeats[i])
            rates = tuple(self.stochastic_depth_rate * place / total for place in places)
            features = round_filters(channels, self.width)
            block = partial(
                MBConv,
                features,
                kernel,
                expansion=expansion,
                layer=layer,
                squeeze_excite=self.squeeze_excite,
            )
            stage = Stage(stride, rates, block, name=f"stage{i + 2}")
            x = stage(x, train)  # shapes beside the rows of B0
            done += repeats[i]
        last = layer(round_filters(HEAD, ends), 1, name="stage9")
        x = last(x, train)  # [B, 7, 7, 1280]
        return pooled_head(
            x,
            self.num_classes,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=fc_init,
        )  # [B, K] or [B, h, w, K]
