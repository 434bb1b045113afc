"""ZFNet (Zeiler & Fergus, ECCV 2014): AlexNet with a finer first stage and no towers.

Its layers are those of figure 3 and table 3.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    Conv,
    FullyConnected,
    Identity,
    Init,
    LocalResponseNorm,
    MaxPool,
    ReLU,
    as_logits,
    check_images,
    smallest_map,
)

Array = jax.Array

# fmt: off
VARIANTS = {
    # Figure 3's 110, 55, 26, 13, 6 come out of 224 pixels only if windows may run over the bottom
    # and right edges, as the cuda-convnet of the day let them (padding (0, 1) in conv1, ceil in the
    # poolings), and conv2 is not padded. Common ports pad conv1 by 1 on both sides instead.
    "zfnet": dict(module="ZFNet"),
    # Table 3, "adjust layers 3,4,5".
    "zfnet_wide": dict(module="ZFNet", features=(96, 256, 512, 1024, 512)),
}
# fmt: on


class ZFNet(nn.Module):
    """Five convolutions and three fully connected layers: images [B, H, W, C] -> logits [B, K].

    A width of 0 in `features` or `hidden` leaves that layer out, as table 3's ablations do. A map
    of pool5 other than 6x6 is averaged or repeated to 6x6; with `class_map` the layer that reads it
    slides over it instead, and the result is [B, h, w, K]. Raises ModelError for images that are
    too small (64 pixels, with `class_map` 208) or have other than 1 or 3 channels.
    """

    input_shape: tuple = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.5
    class_map: bool = False
    features: tuple = (96, 256, 384, 384, 256)
    hidden: tuple = (4096, 4096)
    # k and alpha: the paper names the normalisation but no constants, so these are AlexNet's.
    lrn: tuple = (2.0, 1e-4)
    pooling: tuple = (3, 2)  # window and stride; (2, 2) does not overlap
    # Section 3: weights "initialized to 10^-2", biases to 0.
    kernel_init: Init = nn.initializers.normal(0.01)

    @property
    def ceil(self) -> bool:
        """Whether a last window may overhang the map, as overlapping windows do here."""
        return self.pooling[0] > self.pooling[1]

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image: pool5 has one position, or fills fc6's window."""
        side = 6 if self.class_map else 1
        side = smallest_map(side, *self.pooling, ceil=self.ceil)
        side = smallest_map(side, *self.pooling, ceil=self.ceil)
        side = (side - 1) * 2 + 5 if self.features[1] else side  # conv2
        side = smallest_map(side, *self.pooling, ceil=self.ceil)
        return (side - 1) * 2 + 7 - 1  # conv1, padded by one

    def conv(self, x: Array, i: int, window: int, **geometry: Any) -> Array:
        """Convolution `i` and its ReLU, or nothing where its width is 0."""
        features = self.features[i - 1]
        if not features:
            return x
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        layer = Conv(features, window, name=f"conv{i}", **fields, **geometry)
        return ReLU(name=f"relu{i}")(layer(x))

    def pool(self, x: Array, i: int) -> Array:
        """The pooling after convolution `i`."""
        return MaxPool(*self.pooling, ceil=self.ceil, name=f"pool{i}")(x)

    def norm(self, x: Array, i: int) -> Array:
        """The normalisation after pooling `i`."""
        k, alpha = self.lrn
        return LocalResponseNorm(k=k, alpha=alpha, name=f"norm{i}")(x)

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = images.astype(self.dtype)
        x = self.conv(x, 1, 7, stride=2, padding=((0, 1), (0, 1)))  # [B,110,110,96]
        x = self.norm(self.pool(x, 1), 1)  # [B,55,55,96]
        x = self.conv(x, 2, 5, stride=2)  # [B,26,26,256]
        x = self.norm(self.pool(x, 2), 2)  # [B,13,13,256]
        for i in (3, 4, 5):
            x = self.conv(x, i, 3, padding=1)  # [B,13,13,384], [B,13,13,384], [B,13,13,256]
        x = self.pool(x, 5)  # [B,6,6,256]
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,256]
        window = 6
        x = x if self.class_map else ops.adaptive_avg_pool(x, window)
        for i, units in zip((6, 7), self.hidden, strict=True):
            if not units:
                continue
            x = FullyConnected(units, window, name=f"fc{i}", **fields)(x)  # [B,1,1,4096]
            x = ReLU(name=f"relu{i}")(x)
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
            window = 1
        x = FullyConnected(self.num_classes, window, name="fc8", **fields)(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
