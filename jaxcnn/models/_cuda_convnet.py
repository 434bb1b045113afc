"""The four-layer net of the AlexNet paper's CIFAR-10 experiments, as cuda-convnet has it."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    Activation,
    AvgPool,
    Conv,
    FullyConnected,
    Identity,
    Init,
    MaxPool,
    activation_name,
    as_logits,
    check_images,
    find_activation,
    smallest_map,
)

Array = jax.Array
lecun_normal = nn.initializers.lecun_normal()


class WithinMapNorm(nn.Module):
    """Response normalisation over 3x3 neighbours of the same map, cuda-convnet's `rnorm`.

    Each number x becomes x / (1 + alpha * mean of the neighbours' squares) ** beta; beyond the edge
    there are zeros, which count.
    """

    alpha: float = 5e-5
    beta: float = 0.75

    @nn.compact
    def __call__(self, x: Array) -> Array:
        wide = x.astype(jnp.float32)
        mean = ops.avg_pool(jnp.square(wide), 3, 1, padding=1)  # [B, H, W, C]
        return (wide * (1 + self.alpha * mean) ** -self.beta).astype(x.dtype)


class CudaConvnet(nn.Module):
    """The four-layer net, images [B, H, W, C] of 12 pixels or more -> logits [B, K].

    Poolings keep a last window that overhangs. `activation` is "relu", "sigmoid", "tanh" or a class
    of `jaxcnn.layers`: figure 1 compares "relu" with "tanh". The original drew conv1 from
    N(0, 1e-4), meant for pixels of 0 to 255; for images of unit scale the default keeps the
    variance, whichever the activation. With `class_map` fc10 slides over the map (32 pixels or
    more). Raises ModelError for images that are too small or have other than 1 or 3 channels.
    """

    input_shape: tuple = (32, 32, 3)
    num_classes: int = 10
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0  # before fc10; figure 1 was drawn without regularisation
    class_map: bool = False
    activation: str | type[Activation] = "relu"
    pooling: tuple = (3, 2)  # window and stride; (2, 2) does not overlap
    kernel_init: Init = lecun_normal

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image: pool3 has one position, or fills fc10's window."""
        side = 4 if self.class_map else 1
        for _ in range(3):
            side = smallest_map(side, *self.pooling, ceil=True)
        return side

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        kind = find_activation(self.activation, type(self).__name__)
        act1, act2, act3 = (kind(name=activation_name(kind, i)) for i in (1, 2, 3))
        kw = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = images.astype(self.dtype)
        x = Conv(32, 5, padding=2, name="conv1", **kw)(x)  # [B,32,32,32]
        x = act1(MaxPool(*self.pooling, ceil=True, name="pool1")(x))  # [B,16,16,32]
        x = WithinMapNorm(name="rnorm1")(x)
        x = act2(Conv(32, 5, padding=2, name="conv2", **kw)(x))  # [B,16,16,32]
        x = AvgPool(*self.pooling, ceil=True, name="pool2")(x)  # [B,8,8,32]
        x = WithinMapNorm(name="rnorm2")(x)
        x = act3(Conv(64, 5, padding=2, name="conv3", **kw)(x))  # [B,8,8,64]
        x = AvgPool(*self.pooling, ceil=True, name="pool3")(x)  # [B,4,4,64]
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,64]
        x = x if self.class_map else ops.adaptive_avg_pool(x, 4)
        x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        return as_logits(FullyConnected(self.num_classes, 4, name="fc10", **kw)(x), self.class_map)
