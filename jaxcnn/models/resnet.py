"""ResNet: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016.

Layers follow table 1 (ImageNet) and section 4.2 (CIFAR-10) of arXiv:1512.03385. `resnet18` to
`resnet152` are torchvision's, where a bottleneck has its stride in the 3x3 convolution ("v1.5",
from fb.resnet.torch); `_v1` is the paper's own, with the stride in the first 1x1.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.errors import ModelError
from jaxcnn.layers import (
    BatchNorm,
    Conv,
    Init,
    MaxPool,
    ReLU,
    check_images,
    ones,
    pooled_head,
    zeros,
)

Array = jax.Array

# He et al. 2015, the backward case, eq. 14; torchvision's too.
he_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
# torch's Linear, as fb.resnet.torch and torchvision leave the last layer: uniform in
# +-1/sqrt(fan_in), so that training starts near ln K.
small_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
xavier_uniform = nn.initializers.xavier_uniform()

# fmt: off
V1 = dict(module="ResNet", bottleneck=True, stride_in_1x1=True)
CIFAR = dict(module="ResNet", width=16, cifar_stem=True, input_shape=(32, 32, 3), num_classes=10)

# `stages` is the number of residual blocks in each stage. The plain nets are the same layers
# without shortcuts (figure 3, middle). The CIFAR-10 nets have 6n + 2 layers and parameter-free
# shortcuts (A), the ImageNet nets projections where the shape changes (B); table 2 and figure 4 are
# of option A, table 3 compares all three.
VARIANTS = {
    "resnet18":     dict(module="ResNet", stages=(2, 2, 2, 2)),
    "resnet34":     dict(module="ResNet", stages=(3, 4, 6, 3)),
    "resnet18_a":   dict(module="ResNet", stages=(2, 2, 2, 2), shortcut="A"),
    "resnet34_a":   dict(module="ResNet", stages=(3, 4, 6, 3), shortcut="A"),
    "resnet34_b":   dict(module="ResNet", stages=(3, 4, 6, 3), shortcut="B"),  # resnet34, by option
    "resnet34_c":   dict(module="ResNet", stages=(3, 4, 6, 3), shortcut="C"),
    "resnet50":     dict(module="ResNet", stages=(3, 4, 6, 3), bottleneck=True),
    "resnet101":    dict(module="ResNet", stages=(3, 4, 23, 3), bottleneck=True),
    "resnet152":    dict(module="ResNet", stages=(3, 8, 36, 3), bottleneck=True),
    "resnet50_v1":  dict(V1, stages=(3, 4, 6, 3)),   # 3.8 billion multiply-adds, as printed
    "resnet101_v1": dict(V1, stages=(3, 4, 23, 3)),  # 7.6
    "resnet152_v1": dict(V1, stages=(3, 8, 36, 3)),  # 11.3
    "plain18":      dict(module="ResNet", stages=(2, 2, 2, 2), shortcut=None),
    "plain34":      dict(module="ResNet", stages=(3, 4, 6, 3), shortcut=None),
    "resnet20":     dict(CIFAR, stages=(3, 3, 3), shortcut="A"),
    "resnet32":     dict(CIFAR, stages=(5, 5, 5), shortcut="A"),
    "resnet44":     dict(CIFAR, stages=(7, 7, 7), shortcut="A"),
    "resnet56":     dict(CIFAR, stages=(9, 9, 9), shortcut="A"),
    "resnet110":    dict(CIFAR, stages=(18, 18, 18), shortcut="A"),
    "resnet1202":   dict(CIFAR, stages=(200, 200, 200), shortcut="A"),
    "plain20":      dict(CIFAR, stages=(3, 3, 3), shortcut=None),  # figure 6, left
    "plain32":      dict(CIFAR, stages=(5, 5, 5), shortcut=None),
    "plain44":      dict(CIFAR, stages=(7, 7, 7), shortcut=None),
    "plain56":      dict(CIFAR, stages=(9, 9, 9), shortcut=None),
    "plain110":     dict(CIFAR, stages=(18, 18, 18), shortcut=None),
    # Dive into Deep Learning, for Fashion-MNIST at 96 pixels: convolutions keep their biases, and
    # the projections of shortcuts are not normalised.
    "resnet18_d2l": dict(module="ResNet", stages=(2, 2, 2, 2), conv_bias=True, shortcut_norm=False,
                         input_shape=(96, 96, 1), num_classes=10, kernel_init=xavier_uniform,
                         head_init=xavier_uniform),
}
# fmt: on


class Shortcut(nn.Module):
    """What a block adds to its residual (section 3.3).

    It is x itself where the shape stays, else x padded with zeros (A) or projected (B, C); C
    projects where the shape stays, too. Without `norm` a projection is not normalised.
    """

    features: int
    stride: int
    option: str
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        missing = self.features - x.shape[-1]
        if self.stride == 1 and missing == 0 and self.option != "C":
            return x
        if self.option == "A":
            x = x[:, :: self.stride, :: self.stride]  # [B, H/s, W/s, C]
            return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing)))  # [B, H/s, W/s, features]
        x = self.conv(self.features, 1, stride=self.stride, name="conv")(x)
        return x if self.norm is None else self.norm(name="bn")(x, train)  # [B, H/s, W/s, features]


class Block(nn.Module):
    """A residual block (figure 5): two 3x3 convolutions, or a bottleneck of three.

    A `bottleneck` has 1x1, 3x3 and 1x1 convolutions of a quarter, a quarter and all of `features`.
    """

    features: int
    stride: int
    bottleneck: bool
    stride_in_1x1: bool
    shortcut: str | None
    shortcut_norm: bool
    zero_init: bool
    conv: Any
    norm: Any

    @nn.nowrap
    def rows(self) -> list[tuple[int, int, int]]:
        """(features, window, stride) of each convolution."""
        if not self.bottleneck:
            return [(self.features, 3, self.stride), (self.features, 3, 1)]
        inner = self.features // 4
        first, second = (self.stride, 1) if self.stride_in_1x1 else (1, self.stride)
        return [(inner, 1, first), (inner, 3, second), (self.features, 1, 1)]

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        y, rows = x, self.rows()
        for i, (features, window, stride) in enumerate(rows, start=1):
            last = i == len(rows)
            start = zeros if last and self.zero_init else ones
            conv = self.conv(features, window, stride=stride, padding=window // 2, name=f"conv{i}")
            y = self.norm(scale_init=start, name=f"bn{i}")(conv(y), train)
            if not last:
                y = ReLU(name=f"relu{i}")(y)
        if self.shortcut is not None:
            norm = self.norm if self.shortcut_norm else None
            shortcut = Shortcut(
                self.features, self.stride, self.shortcut, self.conv, norm, name="shortcut"
            )
            y = shortcut(x, train) + y
        # [B, H/s, W/s, features]
        return ReLU(of_sum=self.shortcut is not None, name=f"relu{len(rows)}")(y)


class Stage(nn.Module):
    """`blocks` blocks of the same width, the first of which has the stride."""

    blocks: int
    stride: int
    block: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        for i in range(self.blocks):
            block = self.block(stride=self.stride if i == 0 else 1, name=f"block{i + 1}")
            x = block(x, train)  # [B, H/s, W/s, features]
        return x


class ResNet(nn.Module):
    """Stem, stages of residual blocks, global average pooling, one linear layer.

    The width doubles from stage to stage as the map halves. `shortcut` is the paper's option A, B
    or C, None for a plain net. `zero_init_residual` starts the last BatchNorm of each block at zero
    (Goyal et al. 2017, section 5.1; not in the paper). Images [B, H, W, C] -> logits
    [B, num_classes], or with `class_map` [B, h, w, num_classes]. Raises ModelError for an unknown
    `shortcut`, and for images without a pixel or with other than 1 or 3 channels.
    """

    stages: tuple[int, ...]
    bottleneck: bool = False
    stride_in_1x1: bool = False
    width: int = 64
    shortcut: str | None = "B"
    shortcut_norm: bool = True
    conv_bias: bool = False
    cifar_stem: bool = False
    zero_init_residual: bool = False
    input_shape: tuple[int, int, int] = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0  # the paper uses none (section 3.4)
    class_map: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    bn_group_size: int = 0
    kernel_init: Init = he_fan_out
    head_init: Init = small_uniform

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels.

        All windows are padded by half their size, so one pixel stays one pixel.
        """
        return 1

    def stem(self, x: Array, train: bool, conv: Any, norm: Any) -> Array:
        """The first convolution, normalised, and on large images the first pooling."""
        if self.cifar_stem:
            x = conv(self.width, 3, padding=1, name="conv1")(x)  # [B, 32, 32, 16]
            return ReLU(name="relu1")(norm(name="bn1")(x, train))
        x = conv(self.width, 7, stride=2, padding=3, name="conv1")(x)  # [B, 112, 112, 64]
        x = ReLU(name="relu1")(norm(name="bn1")(x, train))
        return MaxPool(3, 2, padding=1, name="pool1")(x)  # [B, 56, 56, 64]

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        if self.shortcut not in ("A", "B", "C", None):
            raise ModelError(
                f"shortcut is {self.shortcut!r}; expected 'A', 'B' or 'C' (section 3.3), "
                "or None for a plain net"
            )
        conv = partial(
            Conv, use_bias=self.conv_bias, dtype=self.dtype, kernel_init=self.kernel_init
        )
        norm = partial(
            BatchNorm, self.bn_momentum, self.bn_epsilon, self.bn_group_size, dtype=self.dtype
        )
        block = partial(
            Block,
            bottleneck=self.bottleneck,
            stride_in_1x1=self.stride_in_1x1,
            shortcut=self.shortcut,
            shortcut_norm=self.shortcut_norm,
            zero_init=self.zero_init_residual,
            conv=conv,
            norm=norm,
        )
        x = self.stem(images.astype(self.dtype), train, conv, norm)
        for i, blocks in enumerate(self.stages):
            features = self.width * 2**i * (4 if self.bottleneck else 1)
            stage = Stage(
                blocks, 1 if i == 0 else 2, partial(block, features), name=f"stage{i + 1}"
            )
            x = stage(x, train)  # [B, 7, 7, 512 or 2048]; CIFAR [B, 8, 8, 64]
        return pooled_head(
            x,
            self.num_classes,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=self.head_init,
        )  # [B, K] or [B, h, w, K]
