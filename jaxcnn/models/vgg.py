"""VGG (Simonyan & Zisserman, ICLR 2015, table 1).

Stacks of 3x3 convolutions, five 2x2 poolings, three fully connected layers.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    BatchNorm,
    Conv,
    FullyConnected,
    Identity,
    Init,
    LocalResponseNorm,
    MaxPool,
    ReLU,
    as_logits,
    check_images,
    he_normal,
)

Array = jax.Array

# Section 3.1 draws from "10^-2 variance", read as a deviation: 0.1 would give fc6 a gain of 16, and
# the released nets use 0.01. From scratch even 0.01 starts only the shallow net A, which is why the
# paper starts the others from A's layers; the default here is He's.
paper_init = nn.initializers.normal(0.01)

# fmt: off
VARIANTS = {
    # Table 1, columns A, A-LRN, B, C, D, E: convolutions a block.
    "vgg11": dict(module="VGG", blocks=(1, 1, 2, 2, 2)),
    "vgg11_lrn": dict(module="VGG", blocks=(1, 1, 2, 2, 2), lrn=True),
    "vgg13": dict(module="VGG", blocks=(2, 2, 2, 2, 2)),
    "vgg16_1x1": dict(module="VGG", blocks=(2, 2, 3, 3, 3), thirds=1),
    "vgg16": dict(module="VGG", blocks=(2, 2, 3, 3, 3)),
    "vgg19": dict(module="VGG", blocks=(2, 2, 4, 4, 4)),
    # torchvision's, later than the paper: BatchNorm after every convolution, which keeps its bias.
    "vgg11_bn": dict(module="VGG", blocks=(1, 1, 2, 2, 2), batch_norm=True),
    "vgg13_bn": dict(module="VGG", blocks=(2, 2, 2, 2, 2), batch_norm=True),
    "vgg16_bn": dict(module="VGG", blocks=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19_bn": dict(module="VGG", blocks=(2, 2, 4, 4, 4), batch_norm=True),
    # No paper has one; this is the widespread layout (kuangliu's pytorch-cifar): BatchNorm, and one
    # linear layer on the 1x1 map.
    "vgg16_cifar10": dict(module="VGG", input_shape=(32, 32, 3), num_classes=10,
                          blocks=(2, 2, 3, 3, 3), batch_norm=True, window=1, hidden=(),
                          dropout_rate=0.0),
    # Dive into Deep Learning, for Fashion-MNIST: a quarter of column A's widths.
    "vgg11_d2l": dict(module="VGG", input_shape=(224, 224, 1), num_classes=10,
                      blocks=(1, 1, 2, 2, 2), widths=(16, 32, 64, 128, 128),
                      kernel_init=nn.initializers.xavier_uniform()),
}
# fmt: on


class VGG(nn.Module):
    """VGG: images [B, H, W, C] of 32 pixels or more -> logits [B, K].

    A map of pool5 that is not `window` x `window` (7 at 224 pixels) is averaged or repeated to it
    before fc6. With `class_map` the fully connected layers slide over it instead, section 3.2's
    dense evaluation, whose scores are the mean of the class map [B, h, w, K]. Raises ModelError for
    images that are too small or have other than 1 or 3 channels.
    """

    blocks: tuple
    input_shape: tuple = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    # After fc6 and fc7; where there is no hidden layer, before the only linear one.
    dropout_rate: float = 0.5
    class_map: bool = False
    widths: tuple = (64, 128, 256, 512, 512)
    thirds: int = 3  # window of the third convolution of a block: 1 in column C
    lrn: bool = False  # normalise after conv1_1, with AlexNet's constants
    batch_norm: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    bn_group_size: int = 0
    window: int = 7
    hidden: tuple = (4096, 4096)
    kernel_init: Init = he_normal  # or `paper_init`

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image: pool5 has one position, or fills fc6's window."""
        return (self.window if self.class_map else 1) * 2 ** len(self.blocks)

    def conv(self, x: Array, block: int, i: int, train: bool) -> Array:
        """Convolution `i` of a block and its ReLU, [B, H, W, C] -> [B, H, W, width]."""
        at = f"{block}_{i}"
        window = self.thirds if i == 3 else 3
        x = Conv(
            self.widths[block - 1],
            window,
            padding=window // 2,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name=f"conv{at}",
        )(x)  # [B,H,W,width]
        if self.batch_norm:
            fields = (self.bn_momentum, self.bn_epsilon, self.bn_group_size)
            x = BatchNorm(*fields, dtype=self.dtype, name=f"bn{at}")(x, train)
        x = ReLU(name=f"relu{at}")(x)
        return LocalResponseNorm(name=f"norm{at}")(x) if self.lrn and at == "1_1" else x

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        kw = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = images.astype(self.dtype)
        for block, convs in enumerate(self.blocks, 1):
            for i in range(1, convs + 1):
                x = self.conv(x, block, i, train)
            x = MaxPool(2, 2, name=f"pool{block}")(x)
            # [B,112,112,64], [B,56,56,128], [B,28,28,256], [B,14,14,512], [B,7,7,512]
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,C]
        x = x if self.class_map else ops.adaptive_avg_pool(x, self.window)
        window = self.window
        if not self.hidden:
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        for i, units in enumerate(self.hidden, 6):
            x = FullyConnected(units, window, name=f"fc{i}", **kw)(x)  # [B,1,1,4096]
            x = ReLU(name=f"relu{i}")(x)
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
            window = 1
        head = f"fc{6 + len(self.hidden)}"
        x = FullyConnected(self.num_classes, window, name=head, **kw)(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
