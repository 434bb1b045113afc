"""ZFNet (Zeiler & Fergus, ECCV 2014, figure 3 and table 3): AlexNet with a finer first stage and no towers."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers.activations import Identity, ReLU
from jaxcnn.layers.basic import (
    Conv,
    FullyConnected,
    Init,
    LocalResponseNorm,
    MaxPool,
    as_logits,
    check_images,
)

Array = jax.Array

# fmt: off
VARIANTS = {
    # Figure 3's 110, 55, 26, 13, 6 come out of 224 pixels only if windows may run over the bottom and right edges, as the cuda-convnet of the
    # day let them (padding (0, 1) in conv1, ceil in the poolings), and conv2 is not padded. Common ports pad conv1 by 1 on both sides instead.
    "zfnet": dict(module="ZFNet"),
    "zfnet_wide": dict(module="ZFNet", features=(96, 256, 512, 1024, 512)),  # table 3, "adjust layers 3,4,5"
}
# fmt: on


class ZFNet(nn.Module):
    """Five convolutions and three fully connected layers: images [B, H, W, C] of 64 pixels or more -> logits [B, K].

    A width of 0 in `features` or `hidden` leaves that layer out, as table 3's ablations do. A map of pool5 other than 6x6 is averaged or
    repeated to 6x6; with `class_map` the layer that reads it slides over it instead (208 pixels or more).
    """

    input_shape: tuple = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.5
    class_map: bool = False
    features: tuple = (96, 256, 384, 384, 256)
    hidden: tuple = (4096, 4096)
    lrn: tuple = (
        2.0,
        1e-4,
    )  # k and alpha: the paper names the normalisation but no constants, so AlexNet's
    kernel_init: Init = nn.initializers.normal(
        0.01
    )  # section 3: "initialized to 10^-2", biases to 0

    def conv(self, x: Array, i: int, window: int, **geometry: Any) -> Array:
        if not self.features[i - 1]:
            return x
        layer = Conv(
            self.features[i - 1],
            window,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name=f"conv{i}",
            **geometry,
        )
        return ReLU(name=f"relu{i}")(layer(x))

    def norm(self, x: Array, i: int) -> Array:
        return LocalResponseNorm(k=self.lrn[0], alpha=self.lrn[1], name=f"norm{i}")(x)

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, 208 if self.class_map else 64, type(self).__name__)
        x = images.astype(self.dtype)
        x = self.conv(x, 1, 7, stride=2, padding=((0, 1), (0, 1)))  # [B,110,110,96]
        x = self.norm(MaxPool(3, 2, ceil=True, name="pool1")(x), 1)  # [B,55,55,96]
        x = self.conv(x, 2, 5, stride=2)  # [B,26,26,256]
        x = self.norm(MaxPool(3, 2, ceil=True, name="pool2")(x), 2)  # [B,13,13,256]
        for i in (3, 4, 5):
            x = self.conv(x, i, 3, padding=1)  # [B,13,13,384], [B,13,13,384], [B,13,13,256]
        x = MaxPool(3, 2, ceil=True, name="pool5")(x)  # [B,6,6,256]
        x = Identity(name="features")(x)
        window = 6
        x = x if self.class_map else ops.adaptive_avg_pool(x, window)
        for name, units in zip(("fc6", "fc7"), self.hidden, strict=True):
            if units:
                fc = FullyConnected(
                    units, window, dtype=self.dtype, kernel_init=self.kernel_init, name=name
                )
                x = ReLU(name=name.replace("fc", "relu"))(fc(x))  # [B,1,1,4096]
                x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
                window = 1
        x = FullyConnected(
            self.num_classes, window, dtype=self.dtype, kernel_init=self.kernel_init, name="fc8"
        )(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
