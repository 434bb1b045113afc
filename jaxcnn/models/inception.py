"""The Inception networks after GoogLeNet, each a table of `_inception_tables`.

bn_inception         Ioffe & Szegedy 2015, "Batch normalization" (arXiv:1502.03167);
                     the "Inception-v2" of the Inception-v4 paper
inception_v3         Szegedy et al. 2016, "Rethinking the Inception architecture"
                     (arXiv:1512.00567)
inception_v4         Szegedy et al. 2017, "Inception-v4, Inception-ResNet and the impact of
                     residual connections" (arXiv:1602.07261)
inception_resnet_v1, inception_resnet_v2    the same paper
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    Conv,
    Dtype,
    FullyConnected,
    Init,
    ReLU,
    as_logits,
    check_images,
    he_normal,
    pooled_head,
)
from jaxcnn.layers.branches import (
    ConvBN,
    Layers,
    Unit,
    apply_branches,
    apply_layer,
    apply_step,
    read_step,
    smallest_image,
)
from jaxcnn.models._inception_tables import (
    BN_INCEPTION,
    INCEPTION_RESNET_V1,
    INCEPTION_RESNET_V2,
    INCEPTION_V3,
    INCEPTION_V4,
    Residual,
)

Array = jax.Array

truncated_normal = nn.initializers.truncated_normal

# fmt: off
VARIANTS = {
    # Widths of the Caffe port (Cadene's), whose convolutions keep the biases that BatchNorm makes
    # redundant; the paper prints 13.6M.
    "bn_inception": dict(module="InceptionNet", layers=BN_INCEPTION, conv_bias=True,
                         bn_epsilon=1e-5, dropout_rate=0.0, input_shape=(224, 224, 3)),
    # torchvision's, which is the authors' release and not the stem that Table 1 prints (there 3x3
    # 80, 3x3/2 192, 3x3 288).
    "inception_v3": dict(module="InceptionNet", layers=INCEPTION_V3, aux_after="mixed_6e",
                         dropout_rate=0.5, kernel_init=truncated_normal(0.1)),
    # The figures and timm's, which agree; averages leave the padding out, as TensorFlow's do.
    # Neither the paper nor timm has the auxiliary head; the authors' release does.
    "inception_v4": dict(module="InceptionNet", layers=INCEPTION_V4, aux_after="mixed_6h"),
    # Figures 10 to 15 with v3's stem convolutions and the scales of the release. (facenet's port
    # adds a sixth, linear C block.)
    "inception_resnet_v1": dict(module="InceptionNet", layers=INCEPTION_RESNET_V1),
    # The authors' release and timm's: v3's stem and 10, 20, 10 blocks. The figures show v4's stem
    # and 5, 10, 5 (32.4M parameters). The auxiliary head is the release's alone, too.
    "inception_resnet_v2": dict(module="InceptionNet", layers=INCEPTION_RESNET_V2,
                                aux_after="block17_20"),
}
# fmt: on


class InceptionResidual(nn.Module):
    """A residual Inception block, [B, H, W, C] -> the same.

    The 1x1 convolution `linear` (biased, not normalised) restores the channels of its input.
    """

    block: Residual
    unit: Unit
    dtype: Dtype
    kernel_init: Init

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        branches, scale, relu = self.block
        y = apply_branches(branches, x, train, self.unit)  # [B,H,W,sum of the branches]
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        y = Conv(x.shape[-1], 1, name="linear", **fields)(y)  # [B,H,W,C]
        x = x + scale * y
        return ReLU(of_sum=True, name="relu")(x) if relu else x


class AuxiliaryHead(nn.Module):
    """The classifier on the last 17x17 map (v3: figure 8), which sows its logits [B, K].

    A 5x5/3 average, 1x1 `conv1` 128, 5x5 `conv2` 768, `fc`. The weights of `conv2` and `fc` start
    with a standard deviation of .01 and .001, as in the authors' release of v3.
    """

    num_classes: int
    unit: Unit
    dtype: Dtype

    @nn.compact
    def __call__(self, x: Array, train: bool) -> None:
        if min(x.shape[1:3]) >= 17:
            x = apply_step(read_step("pool: avg 5x5 /3 V"), x, train, self.unit)
            # [B,5,5,768] of 17x17
        else:  # where that would leave less than conv2's window
            x = ops.adaptive_avg_pool(x, 5)  # [B,5,5,768]
        x = self.unit(128, (1, 1), name="conv1")(x, train)  # [B,5,5,128]
        small, tiny = truncated_normal(0.01), truncated_normal(0.001)
        x = self.unit(768, (5, 5), kernel_init=small, name="conv2")(x, train)  # [B,1,1,768]
        x = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B,1,1,768]
        fc = FullyConnected(self.num_classes, dtype=self.dtype, kernel_init=tiny, name="fc")
        x = fc(x)  # [B,1,1,K]
        if train and not self.is_initializing():
            self.sow("aux_logits", "logits", as_logits(x, class_map=False))  # [B,K]


class InceptionNet(nn.Module):
    """A network of Inception modules, the rows `layers`: images [B, H, W, C] -> logits [B, K].

    The auxiliary head `aux` follows the layer `aux_after`, if one is named; a training step finds
    its logits [B, K] in the collection `aux_logits`. With `class_map` the result is [B, h, w, K].
    Raises ModelError for images that are too small or have other than 1 or 3 channels.
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

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels: the last map has one position."""
        rows = []
        for name, layer in self.layers:
            rows.append((name, layer.branches if isinstance(layer, Residual) else layer))
        return smallest_image(rows)

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        init: dict[str, Any] = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        unit = functools.partial(
            ConvBN,
            use_bias=self.conv_bias,
            momentum=self.bn_momentum,
            epsilon=self.bn_epsilon,
            group_size=self.bn_group_size,
            **init,
        )
        has_head = self.aux_heads and self.num_classes and (train or self.is_initializing())
        x = images.astype(self.dtype)
        for name, layer in self.layers:  # shapes beside the tables
            if isinstance(layer, Residual):
                x = InceptionResidual(layer, unit, **init, name=name)(x, train)
            else:
                x = apply_layer(name, layer, x, train, unit)
            if has_head and name == self.aux_after:
                AuxiliaryHead(self.num_classes, unit, self.dtype, name="aux")(x, train)
        return pooled_head(
            x,
            self.num_classes,
            dropout_rate=self.dropout_rate,
            train=train,
            class_map=self.class_map,
            kernel_init=self.kernel_init,
        )  # [B,K]
