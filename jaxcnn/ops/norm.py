"""Normalisation: across-channel local response normalisation, batch normalisation over groups of the batch."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops import parallel

Array = jax.Array


def local_response_norm(
    x: Array,
    *,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    groups: int = 1,
) -> Array:
    """b_c = a_c / (k + alpha * sum of a^2 over the `size` channels around c) ** beta, AlexNet section 3.3; any shape [..., C].

    `alpha` multiplies the SUM, as the paper prints it. Caffe, PyTorch and Krizhevsky's own code divide it by `size` first: for
    their "alpha" pass alpha / size. With `groups` the windows end at the edges of that many equal groups of channels, as they did at
    the edge of a GPU; raises ValueError if the channels do not divide into them.
    """
    channels, before = x.shape[-1], size // 2
    if channels % groups:
        raise ValueError(
            f"{channels} channels do not divide into {groups} groups for response normalisation"
        )
    numbers = (size, alpha, beta, k)
    division = parallel.towers()
    if division is None or channels % division.parts:
        return _respond(x, x, 0, groups, numbers)
    spec = division.image_spec(x.shape)
    if groups % division.parts == 0:
        return parallel.run(
            division,
            lambda x: _respond(x, x, 0, groups // division.parts, numbers),
            (spec,),
            spec,
            x,
        )
    if groups > 1 or before > channels // division.parts:
        return _respond(x, x, 0, groups, numbers)

    def local(
        x: Array,
    ) -> Array:  # windows cross the edge: the neighbours' outermost maps come over
        wide = parallel.with_neighbours(x, before, size - 1 - before, division.parts)
        return _respond(x, wide, before, 1, numbers)

    return parallel.run(division, local, (spec,), spec, x)


def _respond(
    x: Array, wide: Array, before: int, groups: int, numbers: tuple[int, float, float, float]
) -> Array:
    """x [..., C] normalised by windows over `wide`, which has `before` channels in front of x's first."""
    size, alpha, beta, k = numbers
    row, column = np.arange(wide.shape[-1])[:, None] - before, np.arange(x.shape[-1])[None, :]
    distance = row - column + size // 2  # from the first channel of the column's window
    of_group = row * groups // x.shape[-1] == column * groups // x.shape[-1] if groups > 1 else True
    band = ((distance >= 0) & (distance < size) & of_group).astype(
        np.float32
    )  # [C', C]: 1 where a row is in the window of a column
    squares = jnp.square(wide.astype(jnp.float32)).reshape(-1, wide.shape[-1])
    total = jnp.dot(squares, band, precision=lax.Precision.HIGHEST).reshape(x.shape)
    denominator = k + alpha * total
    root = lax.rsqrt(denominator)
    # The published beta, 3/4, needs no power: its logarithm and exponential cost more than all the rest.
    power = root * jnp.sqrt(root) if beta == 0.75 else denominator**-beta
    return (x.astype(jnp.float32) * power).astype(x.dtype)


def batch_norm(
    x: Array, mean: Array, var: Array, scale: Array | None, bias: Array | None, *, epsilon: float
) -> Array:
    """Normalises x [..., C] by given statistics [C], in float32 arithmetic folded into one multiply and one add."""
    factor = lax.rsqrt(var + epsilon)
    if scale is not None:
        factor = factor * scale
    offset = -mean * factor
    if bias is not None:
        offset = offset + bias
    wide = (1,) * (x.ndim - 1) + (-1,)
    return (x.astype(jnp.float32) * factor.reshape(wide) + offset.reshape(wide)).astype(x.dtype)


def batch_norm_train(
    x: Array, scale: Array | None, bias: Array | None, *, epsilon: float, group_size: int = 0
):
    """Normalises x [B, ..., C] by its own statistics over groups of `group_size` examples (0: all of them).

    Returns (y like x, mean [C], unbiased variance [C]), the statistics averaged over the groups. Raises ValueError if the groups do
    not divide the batch; a batch smaller than one group is one group.
    """
    batch, features = x.shape[0], x.shape[-1]
    size = min(group_size or batch, batch)
    if batch % size:
        raise ValueError(
            f"a batch of {batch} does not divide into BatchNorm groups of {size}: use a group size that divides the batch"
        )
    scale = jnp.ones(features, jnp.float32) if scale is None else scale
    bias = jnp.zeros(features, jnp.float32) if bias is None else bias
    outputs: Any = _normalise(x.reshape(batch // size, size, *x.shape[1:]), scale, bias, epsilon)
    y, mean, var = outputs  # [G, g, ..., C]; [G, C] twice
    count = x.size // (features * mean.shape[0])
    return (
        y.reshape(x.shape),
        jnp.mean(mean, axis=0),
        jnp.mean(var, axis=0) * (count / max(count - 1, 1)),
    )


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalise(x: Array, scale: Array, bias: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """(y, mean [G, C], biased variance [G, C]) of x [G, g, ..., C], each group by its own statistics.

    The gradient is written out because it needs two sums over the map, where the derivative of this text takes five.
    """
    return _normalise_forward(x, scale, bias, epsilon)[0]


def _sums(x: Array) -> Array:
    """[G, g, ..., C] -> [G, C]."""
    return jnp.sum(x, axis=tuple(range(1, x.ndim - 1)))


def _over(statistic: Array, x: Array) -> Array:
    """Broadcasts a statistic [G, C] or [C] against x [G, g, ..., C]."""
    lead = statistic.shape[0] if statistic.ndim == 2 else 1
    return statistic.reshape(lead, *(1,) * (x.ndim - 2), -1)


def _normalise_forward(x: Array, scale: Array, bias: Array, epsilon: float):
    x32 = x.astype(jnp.float32)
    count = x.size // (x.shape[0] * x.shape[-1])
    mean = _sums(x32) / count
    centred = x32 - _over(mean, x)
    var = _sums(jnp.square(centred)) / count
    inverse = lax.rsqrt(var + epsilon)
    y = centred * _over(inverse * scale[None, :], x) + _over(bias, x)
    return (y.astype(x.dtype), mean, var), (x, scale, mean, inverse)


def _normalise_backward(epsilon: float, saved, cotangents):
    x, scale, mean, inverse = saved
    dy, dmean, dvar = cotangents
    dy, centred = dy.astype(jnp.float32), x.astype(jnp.float32) - _over(mean, x)
    count = x.size // (x.shape[0] * x.shape[-1])
    total, product = _sums(dy), _sums(dy * centred)  # [G, C]
    factor = inverse * scale[None, :]
    constant = (dmean - factor * total) / count
    slope = (2 * dvar - factor * jnp.square(inverse) * product) / count
    dx = _over(factor, x) * dy + _over(slope, x) * centred + _over(constant, x)
    return dx.astype(x.dtype), jnp.sum(inverse * product, axis=0), jnp.sum(total, axis=0)


_normalise.defvjp(_normalise_forward, _normalise_backward)
