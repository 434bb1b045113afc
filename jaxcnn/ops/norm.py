"""Normalisation: across-channel local response normalisation, batch normalisation over groups of the batch."""

import jax
import jax.numpy as jnp
from jax import lax

Array = jax.Array


def local_response_norm(x: Array, *, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Array:
    """b_c = a_c / (k + alpha * sum of a^2 over the `size` channels around c) ** beta, AlexNet section 3.3; any shape [..., C].

    `alpha` multiplies the SUM, as the paper prints it. Caffe, PyTorch and Krizhevsky's own code divide it by `size` first: for
    their "alpha" pass alpha / size.
    """
    half = size // 2
    squares = jnp.square(x.astype(jnp.float32))
    window = (1,) * (x.ndim - 1) + (size,)
    pads = [(0, 0)] * (x.ndim - 1) + [(half, size - 1 - half)]
    total = lax.reduce_window(squares, 0.0, lax.add, window, (1,) * x.ndim, pads)
    return (x.astype(jnp.float32) * (k + alpha * total) ** -beta).astype(x.dtype)


def batch_norm(x: Array, mean: Array, var: Array, scale: Array | None, bias: Array | None, *, epsilon: float) -> Array:
    """Normalises x [..., C] by given statistics [C], in float32 arithmetic folded into one multiply and one add."""
    factor = lax.rsqrt(var + epsilon)
    if scale is not None:
        factor = factor * scale
    offset = -mean * factor
    if bias is not None:
        offset = offset + bias
    wide = (1,) * (x.ndim - 1) + (-1,)
    return (x.astype(jnp.float32) * factor.reshape(wide) + offset.reshape(wide)).astype(x.dtype)


def batch_norm_train(x: Array, scale: Array | None, bias: Array | None, *, epsilon: float, group_size: int = 0):
    """Normalises x [B, ..., C] by its own statistics over groups of `group_size` examples (0: all of them).

    Returns (y like x, mean [C], unbiased variance [C]), the statistics averaged over the groups. Raises ValueError if the groups do
    not divide the batch; a batch smaller than one group is one group.
    """
    batch = x.shape[0]
    size = min(group_size or batch, batch)
    if batch % size:
        raise ValueError(f"a batch of {batch} does not divide into BatchNorm groups of {size}: use a group size that divides the batch")
    xs = x.astype(jnp.float32).reshape(batch // size, size, *x.shape[1:])  # [G, g, ..., C]
    axes = tuple(range(1, xs.ndim - 1))
    mean = jnp.mean(xs, axis=axes, keepdims=True)  # [G, 1, ..., C]
    var = jnp.mean(jnp.square(xs - mean), axis=axes, keepdims=True)
    factor = lax.rsqrt(var + epsilon)
    if scale is not None:
        factor = factor * scale.reshape((1,) * (xs.ndim - 1) + (-1,))
    y = (xs - mean) * factor
    if bias is not None:
        y = y + bias.reshape((1,) * (xs.ndim - 1) + (-1,))
    count = xs.size // (xs.shape[0] * xs.shape[-1])
    unbiased = count / max(count - 1, 1)
    flat = (xs.shape[0], xs.shape[-1])
    return y.reshape(x.shape).astype(x.dtype), jnp.mean(mean.reshape(flat), axis=0), jnp.mean(var.reshape(flat), axis=0) * unbiased
