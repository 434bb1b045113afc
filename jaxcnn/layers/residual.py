"""What residual blocks of several families have in common: the channel gate and random depth."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers.activations import Activation, ReLU, Sigmoid, activation_name
from jaxcnn.layers.basic import Conv, Dtype, Init, he_normal

Array = jax.Array


class SqueezeExcite(nn.Module):
    """Multiplies each channel by a gate between 0 and 1 (Hu et al. 2018), [B, H, W, C] -> the same.

    The gate is the mean over the map, a 1x1 convolution `reduce` to `squeezed` channels,
    `activation`, a 1x1 convolution `expand` back to C channels, and the logistic function.
    """

    squeezed: int
    activation: type[Activation] = ReLU
    dtype: Dtype = jnp.float32
    kernel_init: Init = he_normal

    @nn.compact
    def __call__(self, x: Array) -> Array:
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        gate = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
        gate = Conv(self.squeezed, 1, name="reduce", **fields)(gate)  # [B, 1, 1, squeezed]
        gate = self.activation(name=activation_name(self.activation))(gate)
        gate = Conv(x.shape[-1], 1, name="expand", **fields)(gate)  # [B, 1, 1, C]
        return x * Sigmoid(name="sigmoid")(gate)


class StochasticDepth(nn.Module):
    """Drops whole examples of a residual branch with probability `rate` in training.

    What is kept is scaled up, so that the mean stays (Huang et al. 2016).
    """

    rate: float

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        if not train or self.rate == 0.0:
            return x
        return nn.Dropout(self.rate, broadcast_dims=tuple(range(1, x.ndim)))(x, deterministic=False)
