"""ResNet: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016 (arXiv:1512.03385), and its plain nets.

Layers follow table 1 (ImageNet) and section 4.2 (CIFAR-10). `resnet18` to `resnet152` are torchvision's, where a bottleneck has its
stride in the 3x3 convolution ("v1.5", from fb.resnet.torch); `_v1` is the paper's own, with the stride in the first 1x1.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activations import ReLU
from jaxcnn.layers.basic import BatchNorm, Conv, MaxPool, check_images, ones, pooled_head, zeros

Array = jax.Array

# `stages` is the number of residual blocks in each stage. The plain nets are the same layers without shortcuts (figure 3, middle).
# The CIFAR-10 nets have 6n + 2 layers and parameter-free shortcuts (A), the ImageNet nets projections where the shape changes (B).
# The paper's 1202-layer net is `create_model("resnet110", stages=(200, 200, 200))`.
# fmt: off
VARIANTS = {
    "resnet18":     dict(module="ResNet", stages=(2, 2, 2, 2)),
    "resnet34":     dict(module="ResNet", stages=(3, 4, 6, 3)),
    "resnet50":     dict(module="ResNet", stages=(3, 4, 6, 3), bottleneck=True),
    "resnet101":    dict(module="ResNet", stages=(3, 4, 23, 3), bottleneck=True),
    "resnet152":    dict(module="ResNet", stages=(3, 8, 36, 3), bottleneck=True),
    "resnet50_v1":  dict(module="ResNet", stages=(3, 4, 6, 3), bottleneck=True, stride_in_1x1=True),   # 3.8 GMACs, as printed
    "resnet101_v1": dict(module="ResNet", stages=(3, 4, 23, 3), bottleneck=True, stride_in_1x1=True),  # 7.6
    "resnet152_v1": dict(module="ResNet", stages=(3, 8, 36, 3), bottleneck=True, stride_in_1x1=True),  # 11.3
    "plain18":      dict(module="ResNet", stages=(2, 2, 2, 2), shortcut=None),
    "plain34":      dict(module="ResNet", stages=(3, 4, 6, 3), shortcut=None),
    "resnet20":     dict(module="ResNet", stages=(3, 3, 3), width=16, shortcut="A", cifar_stem=True, input_shape=(32, 32, 3), num_classes=10),
    "resnet32":     dict(module="ResNet", stages=(5, 5, 5), width=16, shortcut="A", cifar_stem=True, input_shape=(32, 32, 3), num_classes=10),
    "resnet44":     dict(module="ResNet", stages=(7, 7, 7), width=16, shortcut="A", cifar_stem=True, input_shape=(32, 32, 3), num_classes=10),
    "resnet56":     dict(module="ResNet", stages=(9, 9, 9), width=16, shortcut="A", cifar_stem=True, input_shape=(32, 32, 3), num_classes=10),
    "resnet110":    dict(module="ResNet", stages=(18, 18, 18), width=16, shortcut="A", cifar_stem=True, input_shape=(32, 32, 3), num_classes=10),
}
# fmt: on

he_fan_out = nn.initializers.variance_scaling(
    2.0, "fan_out", "normal"
)  # He et al. 2015, the backward case, eq. 14; torchvision's
# torch's Linear, as fb.resnet.torch and torchvision leave the last layer: uniform in +-1/sqrt(fan_in), so that training starts near ln K.
small_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")

SMALLEST = (
    1  # every convolution and pool is padded by half its window, so one pixel stays one pixel
)


class Shortcut(nn.Module):
    """What a block adds to its residual (section 3.3): x itself where the shape stays, else zero-padded (A) or projected (B, C)."""

    features: int
    stride: int
    option: str
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        same = self.stride == 1 and x.shape[-1] == self.features
        if same and self.option != "C":
            return x
        if self.option == "A":
            x = x[:, :: self.stride, :: self.stride]  # [B, H/s, W/s, C]
            return jnp.pad(
                x, ((0, 0), (0, 0), (0, 0), (0, self.features - x.shape[-1]))
            )  # [B, H/s, W/s, features]
        x = self.conv(self.features, 1, stride=self.stride, name="conv")(
            x
        )  # [B, H/s, W/s, features]
        return self.norm(name="bn")(x, train)


class Block(nn.Module):
    """A residual block (figure 5): two 3x3 convolutions, or with `bottleneck` 1x1, 3x3, 1x1 of a quarter, a quarter, all of `features`."""

    features: int
    stride: int
    bottleneck: bool
    stride_in_1x1: bool
    shortcut: str | None
    zero_init: bool
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        if self.bottleneck:
            inner = self.features // 4
            s1, s2 = (self.stride, 1) if self.stride_in_1x1 else (1, self.stride)
            layers = [(inner, 1, s1), (inner, 3, s2), (self.features, 1, 1)]
        else:
            layers = [(self.features, 3, self.stride), (self.features, 3, 1)]
        y = x
        for i, (features, window, stride) in enumerate(layers, start=1):
            last = i == len(layers)
            y = self.conv(features, window, stride=stride, padding=window // 2, name=f"conv{i}")(
                y
            )  # [B, H/s, W/s, features]
            y = self.norm(scale_init=zeros if last and self.zero_init else ones, name=f"bn{i}")(
                y, train
            )
            y = y if last else ReLU(name=f"relu{i}")(y)
        relu = ReLU(name=f"relu{len(layers)}")
        if self.shortcut is None:
            return relu(y)
        x = Shortcut(
            self.features, self.stride, self.shortcut, self.conv, self.norm, name="shortcut"
        )(x, train)
        return relu(x + y)  # [B, H/s, W/s, features]


class Stage(nn.Module):
    """`blocks` blocks of the same width, the first of which has the stride."""

    blocks: int
    stride: int
    block: Any

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        for i in range(self.blocks):
            x = self.block(stride=self.stride if i == 0 else 1, name=f"block{i + 1}")(
                x, train
            )  # [B, H/s, W/s, features]
        return x


class ResNet(nn.Module):
    """Stem, stages of residual blocks whose width doubles as the map halves, global average pooling, one linear layer.

    `shortcut` is the paper's option A, B or C, None for a plain net. `zero_init_residual` starts the last BatchNorm of each block at
    zero (Goyal et al. 2017, section 5.1; not in the paper). Logits [B, num_classes], or with `class_map` [B, h, w, num_classes].
    Raises ValueError for an unknown `shortcut` and for images without a pixel or with other than 1 or 3 channels.
    """

    stages: tuple[int, ...]
    bottleneck: bool = False
    stride_in_1x1: bool = False
    width: int = 64
    shortcut: str | None = "B"
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

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, SMALLEST, self.name or "ResNet")
        if self.shortcut not in ("A", "B", "C", None):
            raise ValueError(
                f"shortcut is {self.shortcut!r}; expected 'A', 'B' or 'C' (section 3.3), or None for a plain net"
            )
        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=he_fan_out)
        norm = partial(
            BatchNorm, self.bn_momentum, self.bn_epsilon, self.bn_group_size, dtype=self.dtype
        )
        x = images.astype(self.dtype)
        if self.cifar_stem:
            x = conv(self.width, 3, padding=1, name="conv1")(x)  # [B, 32, 32, 16]
        else:
            x = conv(self.width, 7, stride=2, padding=3, name="conv1")(x)  # [B, 112, 112, 64]
        x = ReLU(name="relu1")(norm(name="bn1")(x, train))
        if not self.cifar_stem:
            x = MaxPool(3, 2, padding=1, name="pool1")(x)  # [B, 56, 56, 64]
        for i, blocks in enumerate(self.stages):
            features = self.width * 2**i * (4 if self.bottleneck else 1)
            block = partial(
                Block,
                features,
                bottleneck=self.bottleneck,
                stride_in_1x1=self.stride_in_1x1,
                shortcut=self.shortcut,
            )
            block = partial(block, zero_init=self.zero_init_residual, conv=conv, norm=norm)
            x = Stage(blocks, 1 if i == 0 else 2, block, name=f"stage{i + 1}")(
                x, train
            )  # [B, 7, 7, 512 or 2048]; CIFAR [B, 8, 8, 64]
        head = partial(
            pooled_head,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=small_uniform,
        )
        return head(x, self.num_classes)  # [B, K] or [B, h, w, K]
