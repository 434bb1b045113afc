"""The Inception networks after GoogLeNet, in the notation of `jaxcnn.branches`.

    bn_inception         Ioffe & Szegedy 2015, "Batch normalization" (arXiv:1502.03167); "Inception-v2" of the Inception-v4 paper
    inception_v3         Szegedy et al. 2016, "Rethinking the Inception architecture" (arXiv:1512.00567)
    inception_v4         Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of residual connections" (arXiv:1602.07261)
    inception_resnet_v1, inception_resnet_v2    the same paper

Layers carry the names of the authors' TensorFlow release (Caffe's in bn_inception); the shapes are those of the paper's input.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers.activations import ReLU
from jaxcnn.layers.basic import (
    Conv,
    Dtype,
    FullyConnected,
    Init,
    as_logits,
    check_images,
    he_normal,
    pooled_head,
)
from jaxcnn.layers.branches import (
    Branches,
    ConvBN,
    Layers,
    Unit,
    apply_branches,
    apply_layer,
    apply_step,
    read_step,
    smallest_image,
)

Array = jax.Array


class Residual(NamedTuple):
    """A residual Inception block (Inception-v4 paper, section 3.2): x + `scale` * linear(branches of x), then ReLU if `relu`."""

    branches: Branches
    scale: float
    relu: bool = True


# fmt: off
def bn_module(n1: int, reduce: int, n3: int, reduce_double: int, double: int, pool: str, proj: int) -> Branches:
    """A module of BN-Inception: the 5x5 of GoogLeNet is two 3x3 (its appendix). With n1 = proj = 0 it halves the map."""
    if not n1:
        return (
            f"3x3_reduce: 1x1 {reduce}, 3x3: 3x3 {n3} /2",
            f"double_3x3_reduce: 1x1 {reduce_double}, double_3x3_1: 3x3 {double}, double_3x3_2: 3x3 {double} /2",
            f"pool: {pool} 3x3 /2",
        )
    return (
        f"1x1: 1x1 {n1}",
        f"3x3_reduce: 1x1 {reduce}, 3x3: 3x3 {n3}",
        f"double_3x3_reduce: 1x1 {reduce_double}, double_3x3_1: 3x3 {double}, double_3x3_2: 3x3 {double}",
        f"pool: {pool} 3x3, pool_proj: 1x1 {proj}",
    )


BN_INCEPTION = (
    ("conv1", "7x7 64 /2"),                                                     # [B,112,112,64]
    ("pool1", "max 3x3 /2 C"),                                                  # [B,56,56,64]
    ("conv2_reduce", "1x1 64"),                                                 # [B,56,56,64]
    ("conv2", "3x3 192"),                                                       # [B,56,56,192]
    ("pool2", "max 3x3 /2 C"),                                                  # [B,28,28,192]
    #                          1x1  3x3r 3x3  d3r  d3   pool   proj
    ("inception_3a", bn_module( 64,  64,  64,  64,  96, "avg",  32)),           # [B,28,28,256]
    ("inception_3b", bn_module( 64,  64,  96,  64,  96, "avg",  64)),           # [B,28,28,320]
    ("inception_3c", bn_module(  0, 128, 160,  64,  96, "max",   0)),           # [B,14,14,576]
    ("inception_4a", bn_module(224,  64,  96,  96, 128, "avg", 128)),           # [B,14,14,576]
    ("inception_4b", bn_module(192,  96, 128,  96, 128, "avg", 128)),           # [B,14,14,576]
    ("inception_4c", bn_module(160, 128, 160, 128, 160, "avg", 128)),           # [B,14,14,608]
    ("inception_4d", bn_module( 96, 128, 192, 160, 192, "avg", 128)),           # [B,14,14,608]
    ("inception_4e", bn_module(  0, 128, 192, 192, 256, "max",   0)),           # [B,7,7,1056]
    ("inception_5a", bn_module(352, 192, 320, 160, 224, "avg", 128)),           # [B,7,7,1024]
    ("inception_5b", bn_module(352, 192, 320, 192, 224, "max", 128)),           # [B,7,7,1024]
)

STEM = (  # of v3 and of both Inception-ResNets
    ("conv2d_1a_3x3", "3x3 32 /2 V"),                                           # [B,149,149,32]
    ("conv2d_2a_3x3", "3x3 32 V"),                                              # [B,147,147,32]
    ("conv2d_2b_3x3", "3x3 64"),                                                # [B,147,147,64]
    ("maxpool_3a_3x3", "max 3x3 /2 V"),                                         # [B,73,73,64]
    ("conv2d_3b_1x1", "1x1 80"),                                                # [B,73,73,80]
    ("conv2d_4a_3x3", "3x3 192 V"),                                             # [B,71,71,192]
)


def v3_a(proj: int) -> Branches:  # figure 5
    return ("1x1 64", "1x1 48, 5x5 64", "1x1 64, 3x3 96, 3x3 96", f"avg 3x3, 1x1 {proj}")


def v3_b(n: int) -> Branches:  # figure 6, 7x7 factorised into 1x7 and 7x1
    return ("1x1 192", f"1x1 {n}, 1x7 {n}, 7x1 192", f"1x1 {n}, 7x1 {n}, 1x7 {n}, 7x1 {n}, 1x7 192", "avg 3x3, 1x1 192")


V3_C = ("1x1 320", "1x1 384, 1x3 384 | 3x1 384", "1x1 448, 3x3 384, 1x3 384 | 3x1 384", "avg 3x3, 1x1 192")  # figure 7
INCEPTION_V3 = (
    *STEM,
    ("maxpool_5a_3x3", "max 3x3 /2 V"),                                         # [B,35,35,192]
    ("mixed_5b", v3_a(32)),                                                     # [B,35,35,256]
    ("mixed_5c", v3_a(64)),                                                     # [B,35,35,288]
    ("mixed_5d", v3_a(64)),                                                     # [B,35,35,288]
    ("mixed_6a", ("3x3 384 /2 V", "1x1 64, 3x3 96, 3x3 96 /2 V", "max 3x3 /2 V")),  # [B,17,17,768]
    ("mixed_6b", v3_b(128)),                                                    # [B,17,17,768]
    ("mixed_6c", v3_b(160)),                                                    # [B,17,17,768]
    ("mixed_6d", v3_b(160)),                                                    # [B,17,17,768]
    ("mixed_6e", v3_b(192)),                                                    # [B,17,17,768]
    ("mixed_7a", ("1x1 192, 3x3 320 /2 V", "1x1 192, 1x7 192, 7x1 192, 3x3 192 /2 V", "max 3x3 /2 V")),  # [B,8,8,1280]
    ("mixed_7b", V3_C),                                                         # [B,8,8,2048]
    ("mixed_7c", V3_C),                                                         # [B,8,8,2048]
)

# Figures 3 to 9 of the Inception-v4 paper.
V4_A = ("1x1 96", "1x1 64, 3x3 96", "1x1 64, 3x3 96, 3x3 96", "avg_inside 3x3, 1x1 96")
V4_B = ("1x1 384", "1x1 192, 1x7 224, 7x1 256", "1x1 192, 7x1 192, 1x7 224, 7x1 224, 1x7 256", "avg_inside 3x3, 1x1 128")
V4_C = ("1x1 256", "1x1 384, 1x3 256 | 3x1 256", "1x1 384, 3x1 448, 1x3 512, 1x3 256 | 3x1 256", "avg_inside 3x3, 1x1 256")
INCEPTION_V4 = (
    ("conv2d_1a_3x3", "3x3 32 /2 V"),                                           # [B,149,149,32]
    ("conv2d_2a_3x3", "3x3 32 V"),                                              # [B,147,147,32]
    ("conv2d_2b_3x3", "3x3 64"),                                                # [B,147,147,64]
    ("mixed_3a", ("max 3x3 /2 V", "3x3 96 /2 V")),                              # [B,73,73,160]
    ("mixed_4a", ("1x1 64, 3x3 96 V", "1x1 64, 1x7 64, 7x1 64, 3x3 96 V")),     # [B,71,71,192]
    ("mixed_5a", ("3x3 192 /2 V", "max 3x3 /2 V")),                             # [B,35,35,384]
    *((f"mixed_5{letter}", V4_A) for letter in "bcde"),                         # [B,35,35,384]
    ("mixed_6a", ("3x3 384 /2 V", "1x1 192, 3x3 224, 3x3 256 /2 V", "max 3x3 /2 V")),  # [B,17,17,1024]
    *((f"mixed_6{letter}", V4_B) for letter in "bcdefgh"),                      # [B,17,17,1024]
    ("mixed_7a", ("1x1 192, 3x3 192 /2 V", "1x1 256, 1x7 256, 7x1 320, 3x3 320 /2 V", "max 3x3 /2 V")),  # [B,8,8,1536]
    *((f"mixed_7{letter}", V4_C) for letter in "bcd"),                          # [B,8,8,1536]
)


def residual_blocks(name: str, count: int, branches: Branches, scale: float, last_linear: bool = False) -> Layers:
    """`count` residual blocks `name`_1, `name`_2 ...; with `last_linear` the last is neither scaled nor rectified."""
    layers = [(f"{name}_{i}", Residual(branches, scale)) for i in range(1, count + 1)]
    return [*layers[:-1], (layers[-1][0], Residual(branches, 1.0, relu=False))] if last_linear else layers


INCEPTION_RESNET_V1 = (
    *STEM,
    ("conv2d_4b_3x3", "3x3 256 /2 V"),                                          # [B,35,35,256]
    *residual_blocks("block35", 5, ("1x1 32", "1x1 32, 3x3 32", "1x1 32, 3x3 32, 3x3 32"), 0.17),  # [B,35,35,256]
    ("mixed_6a", ("3x3 384 /2 V", "1x1 192, 3x3 192, 3x3 256 /2 V", "max 3x3 /2 V")),  # [B,17,17,896]
    *residual_blocks("block17", 10, ("1x1 128", "1x1 128, 1x7 128, 7x1 128"), 0.10),  # [B,17,17,896]
    ("mixed_7a", ("1x1 256, 3x3 384 /2 V", "1x1 256, 3x3 256 /2 V", "1x1 256, 3x3 256, 3x3 256 /2 V", "max 3x3 /2 V")),  # [B,8,8,1792]
    *residual_blocks("block8", 5, ("1x1 192", "1x1 192, 1x3 192, 3x1 192"), 0.20),  # [B,8,8,1792]
)

INCEPTION_RESNET_V2 = (
    *STEM,
    ("maxpool_5a_3x3", "max 3x3 /2 V"),                                         # [B,35,35,192]
    ("mixed_5b", ("1x1 96", "1x1 48, 5x5 64", "1x1 64, 3x3 96, 3x3 96", "avg_inside 3x3, 1x1 64")),  # [B,35,35,320]
    *residual_blocks("block35", 10, ("1x1 32", "1x1 32, 3x3 32", "1x1 32, 3x3 48, 3x3 64"), 0.17),  # [B,35,35,320]
    ("mixed_6a", ("3x3 384 /2 V", "1x1 256, 3x3 256, 3x3 384 /2 V", "max 3x3 /2 V")),  # [B,17,17,1088]
    *residual_blocks("block17", 20, ("1x1 192", "1x1 128, 1x7 160, 7x1 192"), 0.10),  # [B,17,17,1088]
    ("mixed_7a", ("1x1 256, 3x3 384 /2 V", "1x1 256, 3x3 288 /2 V", "1x1 256, 3x3 288, 3x3 320 /2 V", "max 3x3 /2 V")),  # [B,8,8,2080]
    *residual_blocks("block8", 10, ("1x1 192", "1x1 192, 1x3 224, 3x1 256"), 0.20, last_linear=True),  # [B,8,8,2080]
    ("conv2d_7b_1x1", "1x1 1536"),                                              # [B,8,8,1536]
)

VARIANTS = {
    # Widths of the Caffe port (Cadene's), whose convolutions keep the biases that BatchNorm makes redundant; the paper prints 13.6M.
    "bn_inception": dict(module="InceptionNet", layers=BN_INCEPTION, conv_bias=True, bn_epsilon=1e-5, dropout_rate=0.0,
                         input_shape=(224, 224, 3)),
    # torchvision's, which is the authors' release and not the stem that Table 1 prints (there 3x3 80, 3x3/2 192, 3x3 288).
    "inception_v3": dict(module="InceptionNet", layers=INCEPTION_V3, aux_after="mixed_6e", dropout_rate=0.5,
                         kernel_init=nn.initializers.truncated_normal(0.1)),
    # The figures and timm's, which agree; averages leave the padding out, as TensorFlow's do.
    "inception_v4": dict(module="InceptionNet", layers=INCEPTION_V4),
    # Figures 10 to 15 with v3's stem convolutions and the scales of the release. (facenet's port adds a sixth, linear C block.)
    "inception_resnet_v1": dict(module="InceptionNet", layers=INCEPTION_RESNET_V1),
    # The authors' release and timm's: v3's stem and 10, 20, 10 blocks. The figures show v4's stem and 5, 10, 5 (32.4M parameters).
    "inception_resnet_v2": dict(module="InceptionNet", layers=INCEPTION_RESNET_V2),
}
# fmt: on


class InceptionResidual(nn.Module):
    """A residual Inception block; the 1x1 convolution `linear` (biased, not normalised) restores the channels of its input."""

    block: Residual
    unit: Unit
    dtype: Dtype
    kernel_init: Init

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        branches, scale, relu = self.block
        y = apply_branches(branches, x, train, self.unit)  # [B,H,W,sum of the branches]
        y = Conv(x.shape[-1], 1, dtype=self.dtype, kernel_init=self.kernel_init, name="linear")(
            y
        )  # [B,H,W,C]
        x = x + scale * y
        return ReLU(name="relu")(x) if relu else x


class AuxiliaryHead(nn.Module):
    """The classifier on v3's last 17x17 map (figure 8): 5x5/3 average, 1x1 `conv1` 128, 5x5 `conv2` 768, `fc`; sows its logits [B, K].

    The weights of `conv2` and `fc` start with a standard deviation of .01 and .001, as in the authors' release.
    """

    num_classes: int
    unit: Unit
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array, train: bool) -> None:
        if min(x.shape[1:3]) >= 17:
            x = apply_step(
                read_step("pool: avg 5x5 /3 V"), x, train, self.unit
            )  # [B,5,5,768] of 17x17
        else:
            x = ops.adaptive_avg_pool(
                x, 5
            )  # [B,5,5,768]: where 5x5/3 would leave less than conv2's window
        x = self.unit(128, (1, 1), name="conv1")(x, train)  # [B,5,5,128]
        small, tiny = (
            nn.initializers.truncated_normal(0.01),
            nn.initializers.truncated_normal(0.001),
        )
        x = self.unit(768, (5, 5), kernel_init=small, name="conv2")(x, train)  # [B,1,1,768]
        x = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B,1,1,768]
        x = FullyConnected(self.num_classes, dtype=self.dtype, kernel_init=tiny, name="fc")(
            x
        )  # [B,1,1,K]
        if train and not self.is_initializing():
            self.sow("aux_logits", "logits", as_logits(x, class_map=False))  # [B,K]


class InceptionNet(nn.Module):
    """A network of Inception modules, read from the table `layers`; images [B, H, W, C] -> logits [B, K].

    The auxiliary head `aux` follows the layer `aux_after`, if one is named.
    """

    layers: Layers
    input_shape: tuple[int, int, int] = (299, 299, 3)
    num_classes: int = 1000
    aux_after: str | None = None
    aux_heads: bool = True
    conv_bias: bool = False
    dropout_rate: float = 0.2  # Inception-v4 paper, figure 9: keep 0.8
    kernel_init: Init = he_normal
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-3
    bn_group_size: int = 0
    class_map: bool = False
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        geometry = [
            (name, layer.branches if isinstance(layer, Residual) else layer)
            for name, layer in self.layers
        ]
        check_images(images, smallest_image(geometry), "the Inception network")
        init = {"dtype": self.dtype, "kernel_init": self.kernel_init}
        unit = functools.partial(
            ConvBN,
            use_bias=self.conv_bias,
            momentum=self.bn_momentum,
            epsilon=self.bn_epsilon,
            group_size=self.bn_group_size,
            **init,
        )
        x = images.astype(self.dtype)
        for name, layer in self.layers:  # shapes beside the tables above
            if isinstance(layer, Residual):
                x = InceptionResidual(layer, unit, **init, name=name)(x, train)
            else:
                x = apply_layer(name, layer, x, train, unit)
            if name == self.aux_after and self.aux_heads and (train or self.is_initializing()):
                AuxiliaryHead(self.num_classes, unit, self.dtype, name="aux")(x, train)
        return pooled_head(
            x,
            self.num_classes,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=self.kernel_init,
        )  # [B,K]
