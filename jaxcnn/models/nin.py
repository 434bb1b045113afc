"""Network in Network (Lin, Chen & Yan, ICLR 2014): mlpconv stages, and global average pooling in place of fully connected layers."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers.activations import Identity, ReLU
from jaxcnn.layers.basic import Conv, FullyConnected, Init, MaxPool, as_logits, check_images

Array = jax.Array

normal = nn.initializers.normal
xavier_uniform = nn.initializers.xavier_uniform()

# A stage is (maps of its three convolutions, window, stride, padding of the first): the other two are the 1x1 "cccp" layers, cascaded
# cross-channel parametric pooling. The last stage's last layer has one map a class. A 3x3/2 max pooling stands between stages.
# fmt: off
VARIANTS = {
    # The authors' ImageNet model for Caffe; the paper has none. Pools round up (Caffe). One dropout, before the last stage.
    "nin": dict(module="NiN", dropped=(3,), window=6, ceil=True, kernel_init=normal(0.05), narrow_init=normal(0.01),
                stages=(((96, 96, 96), 11, 4, 0), ((256, 256, 256), 5, 1, 2), ((384, 384, 384), 3, 1, 1), ((1024, 1024), 3, 1, 1))),
    # The authors' cuda-convnet definition for CIFAR-10. Its second pooling is a maximum; their later Caffe file averages there.
    "nin_cifar10": dict(module="NiN", input_shape=(32, 32, 3), num_classes=10, dropped=(1, 2), window=8, ceil=True, kernel_init=normal(0.05),
                        stages=(((192, 160, 96), 5, 1, 2), ((192, 192, 192), 5, 1, 2), ((192, 192), 3, 1, 1))),
    # Dive into Deep Learning, for Fashion-MNIST: AlexNet's geometry with pools that round down, the last stage as narrow as the classes.
    "nin_d2l": dict(module="NiN", input_shape=(224, 224, 1), num_classes=10, dropped=(3,), window=5, ceil=False, kernel_init=xavier_uniform,
                    stages=(((96, 96, 96), 11, 4, 0), ((256, 256, 256), 5, 1, 2), ((384, 384, 384), 3, 1, 1), ((None, None), 3, 1, 1))),
}
# fmt: on
NARROW = (
    "conv1",
    "conv3",
    "cccp8",
)  # the layers that the authors' ImageNet model draws from N(0, 0.01)


class NiN(nn.Module):
    """Mlpconv stages and the mean of one map a class: images [B, H, W, C] -> logits [B, K], never negative (the last layer has its ReLU).

    With `fc_head` one fully connected layer reads the last maps in place of the mean, after dropout of `fc_dropout_rate`: the three rows
    of the paper's table 5 are `fc_head=True` with rates 0 and 0.5, and `fc_head=False`. It spans `window` x `window` positions: another map
    is averaged or repeated to them, and with `class_map` the layer slides over the map.
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
    narrow_init: Init | None = None  # of conv1, conv3 and cccp8 where it differs

    def conv(
        self,
        x: Array,
        name: str,
        features: int | None,
        window: int,
        stride: int = 1,
        padding: int = 0,
    ) -> Array:
        init = (
            self.narrow_init
            if self.narrow_init is not None and name in NARROW
            else self.kernel_init
        )
        conv = Conv(
            features or self.num_classes,
            window,
            stride,
            padding,
            dtype=self.dtype,
            kernel_init=init,
            name=name,
        )
        return ReLU(name=f"relu_{name}")(conv(x))

    def smallest(self) -> int:
        """The least image side: the last map has one position, or fills the sliding window of the fully connected head."""
        side = self.window if self.fc_head and self.class_map else 1
        for i, (_, window, stride, padding) in reversed(list(enumerate(self.stages))):
            side = (side - 1) * stride + window - 2 * padding
            if i:  # the pooling before this stage
                side = max(3, 2 * side) if self.ceil else 2 * side + 1
        return side

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest(), type(self).__name__)
        x = images.astype(self.dtype)
        for i, ((first, *others), window, stride, padding) in enumerate(self.stages, 1):
            if i > 1:
                x = MaxPool(3, 2, ceil=self.ceil, name=f"pool{i - 1}")(
                    x
                )  # [B,27,27,96], [B,13,13,256], [B,6,6,384]
                x = nn.Dropout(self.dropout_rate if i - 1 in self.dropped else 0.0)(
                    x, deterministic=not train
                )
            others = others if len(others) == 2 else [*others, None]
            x = self.conv(
                x, f"conv{i}", first, window, stride, padding
            )  # [B,54,54,96], [B,27,27,256], [B,13,13,384], [B,6,6,1024]
            x = self.conv(x, f"cccp{2 * i - 1}", others[0], 1)
            if i == len(self.stages) and not self.fc_head:  # the maps of the classes are the head
                x = Identity(name="features")(x)
            x = self.conv(x, f"cccp{2 * i}", others[1], 1)  # the last: [B,6,6,K]
        if self.fc_head:
            x = Identity(name="features")(x)
            x = x if self.class_map else ops.adaptive_avg_pool(x, self.window)
            x = nn.Dropout(self.fc_dropout_rate)(x, deterministic=not train)
            x = FullyConnected(
                self.num_classes,
                self.window,
                dtype=self.dtype,
                kernel_init=self.kernel_init,
                name="fc",
            )(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
