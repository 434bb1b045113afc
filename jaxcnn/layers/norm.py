"""Normalisation over the batch and over neighbouring channels."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers.basic import Dtype, Init, ones, zeros

Array = jax.Array


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) of [B, ..., C] over explicit groups of the batch.

    With `group_size` g the batch is read as [B / g, g], and each group of g consecutive examples is
    normalised by its own mean and variance; 0 means the whole batch. The numbers are then a
    property of the recipe and not of how many devices share the batch. Running statistics
    (collection `batch_stats`) average over the groups; the variance is the unbiased one (algorithm
    2 of the paper). `momentum` is the share of the old running value that is kept (PyTorch's
    momentum is one minus this).
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    group_size: int = 0
    use_scale: bool = True
    use_bias: bool = True
    dtype: Dtype = jnp.float32
    scale_init: Init = ones
    bias_init: Init = zeros

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        features = (x.shape[-1],)
        mean = self.variable("batch_stats", "mean", jnp.zeros, features, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, features, jnp.float32)
        scale = bias = None
        if self.use_scale:
            scale = self.param("scale", self.scale_init, features, jnp.float32)
        if self.use_bias:
            bias = self.param("bias", self.bias_init, features, jnp.float32)
        if not train:
            y = ops.batch_norm(x, mean.value, var.value, scale, bias, epsilon=self.epsilon)
            return y.astype(self.dtype)
        y, batch_mean, batch_var = ops.batch_norm_train(
            x,
            scale,
            bias,
            epsilon=self.epsilon,
            group_size=self.group_size,
            pivot=mean.value,
        )
        if not self.is_initializing():
            mean.value = self.momentum * mean.value + (1 - self.momentum) * batch_mean
            var.value = self.momentum * var.value + (1 - self.momentum) * batch_var
        return y.astype(self.dtype)


class LocalResponseNorm(nn.Module):
    """Response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    See `ops.local_response_norm` for the two conventions of `alpha`.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0
    groups: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return ops.local_response_norm(
            x, size=self.size, alpha=self.alpha, beta=self.beta, k=self.k, groups=self.groups
        )
