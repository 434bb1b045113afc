"""Network in Network (Lin, Chen & Yan, ICLR 2014).

Stages of "mlpconv" layers, and global average pooling in place of fully connected layers.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn import ops
from jaxcnn.layers import (
    Conv,
    FullyConnected,
    Identity,
    Init,
    MaxPool,
    ReLU,
    as_logits,
    check_images,
    smallest_map,
)

Array = jax.Array

normal = nn.initializers.normal
xavier_uniform = nn.initializers.xavier_uniform()

# A stage is (maps of its three convolutions, window, stride, padding of the first): the other two
# are the 1x1 "cccp" layers, cascaded cross-channel parametric pooling. The last stage's last layer
# has one map a class. A 3x3/2 max pooling stands between stages.
# fmt: off
VARIANTS = {
    # The authors' ImageNet model for Caffe; the paper has none. Pools round up (Caffe). One
    # dropout, before the last stage.
    "nin": dict(module="NiN", dropped=(3,), window=6, ceil=True,
                kernel_init=normal(0.05),
                inits=FrozenDict({"conv1": normal(0.01), "conv3": normal(0.01),
                                  "cccp8": normal(0.01)}),
                stages=(((96, 96, 96), 11, 4, 0), ((256, 256, 256), 5, 1, 2),
                        ((384, 384, 384), 3, 1, 1), ((1024, 1024), 3, 1, 1))),
    # The authors' cuda-convnet definition for CIFAR-10. Its second pooling is a maximum; their
    # later Caffe file averages there.
    "nin_cifar10": dict(module="NiN", input_shape=(32, 32, 3), num_classes=10, dropped=(1, 2),
                        window=8, ceil=True, kernel_init=normal(0.05),
                        stages=(((192, 160, 96), 5, 1, 2), ((192, 192, 192), 5, 1, 2),
                                ((192, 192), 3, 1, 1))),
    # The authors' definitions for CIFAR-100, which is CIFAR-10's with another start, SVHN, MNIST.
    "nin_cifar100": dict(module="NiN", input_shape=(32, 32, 3), num_classes=100, dropped=(1, 2),
                         window=8, ceil=True, kernel_init=normal(0.05),
                         inits=FrozenDict({"conv1": normal(0.001), "cccp1": normal(0.01),
                                           "cccp2": normal(0.01)}),
                         stages=(((192, 160, 96), 5, 1, 2), ((192, 192, 192), 5, 1, 2),
                                 ((192, 192), 3, 1, 1))),
    "nin_svhn": dict(module="NiN", input_shape=(32, 32, 3), num_classes=10, dropped=(1, 2),
                     window=8, ceil=True, kernel_init=normal(0.05),
                     stages=(((128, 96, 64), 5, 1, 2), ((320, 256, 128), 5, 1, 2),
                             ((384, 256), 5, 1, 2))),
    "nin_mnist": dict(module="NiN", input_shape=(28, 28, 1), num_classes=10, dropped=(1, 2),
                      window=7, ceil=True, kernel_init=normal(0.05),
                      stages=(((96, 64, 48), 5, 1, 2), ((128, 96, 48), 5, 1, 2),
                              ((128, 96), 5, 1, 2))),
    # Dive into Deep Learning, for Fashion-MNIST: AlexNet's geometry with pools that round down, the
    # last stage as narrow as the classes.
    "nin_d2l": dict(module="NiN", input_shape=(224, 224, 1), num_classes=10, dropped=(3,),
                    window=5, ceil=False, kernel_init=xavier_uniform,
                    stages=(((96, 96, 96), 11, 4, 0), ((256, 256, 256), 5, 1, 2),
                            ((384, 384, 384), 3, 1, 1), ((None, None), 3, 1, 1))),
}
# fmt: on


class NiN(nn.Module):
    """Mlpconv stages and the mean of one map a class: images [B, H, W, C] -> logits [B, K].

    Logits are never negative, for the last layer has its ReLU. Its maps are the class map; the map
    that it reads is `features`.

    With `fc_head` one fully connected layer reads the last maps in place of the mean, after dropout
    of `fc_dropout_rate`: the three rows of the paper's table 5 are `fc_head=True` with rates 0 and
    0.5, and `fc_head=False`. It spans `window` x `window` positions: another map is averaged or
    repeated to them, and with `class_map` the layer slides over the map. `features` is then the map
    that this layer reads. Raises ModelError for images that are too small or have other than 1 or 3
    channels.
    """

    stages: tuple
    dropped: tuple  # the stages whose pooled output is dropped in training
    window: int
    ceil: bool
    input_shape: tuple = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.5
    class_map: bool = False
    fc_head: bool = False
    fc_dropout_rate: float = 0.5
    kernel_init: Init = normal(0.05)
    inits: Mapping[str, Init] = FrozenDict()  # of the layers where it differs

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels.

        The last map has one position, or fills the sliding window of the fully connected head.
        """
        side = self.window if self.fc_head and self.class_map else 1
        for i, (_, window, stride, padding) in reversed(list(enumerate(self.stages))):
            side = (side - 1) * stride + window - 2 * padding
            if i:  # the pooling before this stage
                side = smallest_map(side, 3, 2, ceil=self.ceil)
        return side

    def conv(
        self, x: Array, name: str, features: int | None, window: int, **geometry: Any
    ) -> Array:
        """A convolution and its ReLU, with a map for each class where `features` is None."""
        layer = Conv(
            features or self.num_classes,
            window,
            dtype=self.dtype,
            kernel_init=self.inits.get(name, self.kernel_init),
            name=name,
            **geometry,
        )
        return ReLU(name=f"relu_{name}")(layer(x))

    def transition(self, x: Array, stage: int, train: bool) -> Array:
        """Pooling after `stage`, and dropout where the source has it."""
        x = MaxPool(3, 2, ceil=self.ceil, name=f"pool{stage}")(x)
        rate = self.dropout_rate if stage in self.dropped else 0.0
        return nn.Dropout(rate)(x, deterministic=not train)

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        x = images.astype(self.dtype)
        for i, ((first, second, *third), window, stride, padding) in enumerate(self.stages, 1):
            if i > 1:
                x = self.transition(x, i - 1, train)  # [B,27,27,96], [B,13,13,256], [B,6,6,384]
            x = self.conv(x, f"conv{i}", first, window, stride=stride, padding=padding)
            # [B,54,54,96], [B,27,27,256], [B,13,13,384], [B,6,6,1024]
            x = self.conv(x, f"cccp{2 * i - 1}", second, 1)
            if i == len(self.stages) and not self.fc_head:
                x = Identity(name="features")(x)
                if not self.num_classes:
                    return as_logits(x, self.class_map)  # [B,1024]
            x = self.conv(x, f"cccp{2 * i}", third[0] if third else None, 1)  # the last: [B,6,6,K]
        if self.fc_head:
            x = Identity(name="features")(x)
            if not self.num_classes:
                return as_logits(x, self.class_map)  # [B,C]
            x = x if self.class_map else ops.adaptive_avg_pool(x, self.window)
            x = nn.Dropout(self.fc_dropout_rate)(x, deterministic=not train)
            fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
            x = FullyConnected(self.num_classes, self.window, name="fc", **fields)(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
