"""GoogLeNet: Szegedy et al., "Going deeper with convolutions", CVPR 2015 (arXiv:1409.4842).

Its modules are written in the notation of `jaxcnn.layers.branches`.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    Dtype,
    FullyConnected,
    Init,
    LocalResponseNorm,
    ReLU,
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
    apply_layer,
    apply_step,
    conv_relu,
    read_step,
    smallest_image,
)

Array = jax.Array

xavier = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")  # Caffe's filler of that name

LRN = "lrn"  # the rows that normalise
HEADS = {"inception_4a": "aux1", "inception_4d": "aux2"}  # the auxiliary heads, and what they read


def module(
    n1: int, reduce3: int, n3: int, reduce5: int, n5: int, proj: int, *, five: str = "5x5"
) -> Branches:
    """The module of figure 2b from its row of Table 1; `five` is the kernel of the 5x5 branch."""
    return (
        f"1x1: 1x1 {n1}",
        f"3x3_reduce: 1x1 {reduce3}, 3x3: 3x3 {n3}",
        f"5x5_reduce: 1x1 {reduce5}, 5x5: {five} {n5}",
        f"pool: max 3x3, pool_proj: 1x1 {proj}",
    )


def table_1(
    *,
    conv1: str = "7x7 64 /2",
    pool1: str | None = "max 3x3 /2 C",
    pools: str = "max 3x3 /2 C",
    pool4: str = "max 3x3 /2 C",
    five: str = "5x5",
    lrn: bool = True,
) -> Layers:
    """The network of Table 1, row by row, with the output of each row at 224 pixels.

    The arguments are what the variants do differently, `pools` for pool2 and pool3; without `pool1`
    or `lrn` those rows go.
    """
    inception = functools.partial(module, five=five)
    # fmt: off
    rows = (
        ("conv1", conv1),                                           # [B,112,112,64]
        ("pool1", pool1),                                           # [B,56,56,64]
        ("norm1", LRN if lrn else None),
        ("conv2_reduce", "1x1 64"),                                 # [B,56,56,64]
        ("conv2", "3x3 192"),                                       # [B,56,56,192]
        ("norm2", LRN if lrn else None),
        ("pool2", pools),                                           # [B,28,28,192]
        #                         1x1  3x3r 3x3  5x5r 5x5  proj
        ("inception_3a", inception( 64,  96, 128, 16,  32,  32)),   # [B,28,28,256]
        ("inception_3b", inception(128, 128, 192, 32,  96,  64)),   # [B,28,28,480]
        ("pool3", pools),                                           # [B,14,14,480]
        ("inception_4a", inception(192,  96, 208, 16,  48,  64)),   # [B,14,14,512]
        ("inception_4b", inception(160, 112, 224, 24,  64,  64)),   # [B,14,14,512]
        ("inception_4c", inception(128, 128, 256, 24,  64,  64)),   # [B,14,14,512]
        ("inception_4d", inception(112, 144, 288, 32,  64,  64)),   # [B,14,14,528]
        ("inception_4e", inception(256, 160, 320, 32, 128, 128)),   # [B,14,14,832]
        ("pool4", pool4),                                           # [B,7,7,832]
        ("inception_5a", inception(256, 160, 320, 32, 128, 128)),   # [B,7,7,832]
        ("inception_5b", inception(384, 192, 384, 48, 128, 128)),   # [B,7,7,1024]
    )
    # fmt: on
    return tuple((name, layer) for name, layer in rows if layer is not None)


EVEN = "max 3x3 /2 P"

# fmt: off
VARIANTS = {
    # Table 1 and section 5. What the paper leaves open (constants of the LRN, initialisation) is
    # that of Caffe's bvlc_googlenet.
    "googlenet": dict(module="GoogLeNet", layers=table_1()),
    # torchvision's googlenet, layer for layer: BatchNorm for LRN, 3x3 filters in the "5x5" branch
    # (its issue 906), pool4 over 2x2 pixels, heads pooled adaptively.
    "googlenet_bn": dict(module="GoogLeNet", batch_norm=True, dropout_rate=0.2, aux_pool=None,
                         layers=table_1(lrn=False, five="3x3", pool4="max 2x2 /2 C"),
                         kernel_init=nn.initializers.truncated_normal(0.01), bias=0.0),
    # Choice of this project: the paper's modules with BatchNorm on maps of 16, 8 and 4 pixels; of
    # the stem's three halvings pool2 stays.
    "googlenet_cifar10": dict(module="GoogLeNet", batch_norm=True, aux_heads=False,
                              layers=table_1(lrn=False, conv1="3x3 64", pool1=None),
                              kernel_init=he_normal, bias=0.0,
                              input_shape=(32, 32, 3), num_classes=10),
    # Dive into Deep Learning, for Fashion-MNIST at 96 pixels, as its PyTorch code has it: no LRN,
    # no dropout, no heads, and poolings padded evenly.
    "googlenet_d2l": dict(module="GoogLeNet", aux_heads=False, dropout_rate=0.0, bias=0.0,
                          layers=table_1(lrn=False, pool1=EVEN, pools=EVEN, pool4=EVEN),
                          kernel_init=nn.initializers.xavier_uniform(),
                          input_shape=(96, 96, 1), num_classes=10),
}
# fmt: on


class AuxiliaryHead(nn.Module):
    """A classifier over an inner map (section 5), which sows its logits [B, K].

    The map is pooled to 4x4; then follow a 1x1 `conv` 128, `fc1` 1024, dropout, `fc2`. `pool` is
    the paper's, which makes 4x4 of a 14x14 map; without one, as in torchvision, and on other maps,
    pooling is adaptive.
    """

    num_classes: int
    unit: Unit
    pool: str | None
    dropout_rate: float
    dense: dict[str, Any]
    bias_init: Init

    @nn.compact
    def __call__(self, x: Array, train: bool) -> None:
        if self.pool and min(x.shape[1:3]) >= read_step(self.pool).smallest_input(4):
            x = apply_step(read_step(self.pool), x, train, self.unit)  # [B,4,4,C] of 14x14
        x = ops.adaptive_avg_pool(x, 4)  # [B,4,4,C]
        x = self.unit(128, (1, 1), name="conv")(x, train)  # [B,4,4,128]
        fc1 = FullyConnected(1024, 4, bias_init=self.bias_init, **self.dense, name="fc1")
        x = ReLU(name="relu_fc1")(fc1(x))  # [B,1,1,1024]
        x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        x = FullyConnected(self.num_classes, **self.dense, name="fc2")(x)  # [B,1,1,K]
        if train and not self.is_initializing():
            self.sow("aux_logits", "logits", as_logits(x, class_map=False))  # [B,K]


class GoogLeNet(nn.Module):
    """The network of the rows `layers`: images [B, H, W, C] -> logits [B, K].

    It has the auxiliary heads `aux1` on inception_4a and `aux2` on inception_4d, whose logits
    [B, K] a training step finds in the collection `aux_logits`; the paper adds 0.3 times each
    auxiliary loss in training and drops the heads afterwards (section 5). With `class_map` the
    result is [B, h, w, K]. Raises ModelError for images that are too small or have other than 1 or
    3 channels.
    """

    layers: Layers
    input_shape: tuple[int, int, int] = (224, 224, 3)
    num_classes: int = 1000
    batch_norm: bool = False
    aux_heads: bool = True
    aux_pool: str | None = "pool: avg 5x5 /3 V"
    dropout_rate: float = 0.4
    aux_dropout_rate: float = 0.7
    kernel_init: Init = xavier
    bias: float = 0.2  # initial bias of every layer but the last
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-3
    bn_group_size: int = 0
    class_map: bool = False
    dtype: Dtype = jnp.float32

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels: the last map has one position."""
        return smallest_image([row for row in self.layers if row[1] != LRN])

    def unit(self) -> Unit:
        """What makes a convolution of this network, with its ReLU."""
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        if not self.batch_norm:
            bias_init = nn.initializers.constant(self.bias)
            return functools.partial(conv_relu, bias_init=bias_init, **fields)
        return functools.partial(
            ConvBN,
            momentum=self.bn_momentum,
            epsilon=self.bn_epsilon,
            group_size=self.bn_group_size,
            **fields,
        )

    def auxiliary_head(self, name: str, unit: Unit) -> AuxiliaryHead:
        """The head `name`."""
        return AuxiliaryHead(
            self.num_classes,
            unit,
            self.aux_pool,
            self.aux_dropout_rate,
            dense=dict(dtype=self.dtype, kernel_init=self.kernel_init),
            bias_init=nn.initializers.constant(self.bias),
            name=name,
        )

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        has_heads = self.aux_heads and self.num_classes and (train or self.is_initializing())
        heads = HEADS if has_heads else {}
        unit = self.unit()
        x = images.astype(self.dtype)
        for name, layer in self.layers:  # shapes beside the table above
            if layer == LRN:  # Caffe divides its alpha, 1e-4, by the size
                x = LocalResponseNorm(5, alpha=1e-4 / 5, beta=0.75, k=1.0, name=name)(x)
            else:
                x = apply_layer(name, layer, x, train, unit)
            if name in heads:
                self.auxiliary_head(heads[name], unit)(x, train)
        return pooled_head(
            x,
            self.num_classes,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=self.kernel_init,
        )  # [B,K]
