"""Normalisation: local response normalisation across channels, batch normalisation over groups."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export, lax
from jax.core import max_dim

from jaxcnn.ops import parallel
from jaxcnn.ops.linear_map import linear_map
from jaxcnn.ops.response import respond
from jaxcnn.ops.target import ANY, current_target

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
    """Divides each channel of x [..., C] by a power of the squares of its neighbours.

    b_c = a_c / (k + alpha * sum of a^2 over the `size` channels around c) ** beta (AlexNet, section
    3.3). `alpha` multiplies the SUM, as the paper prints it. Caffe, PyTorch and Krizhevsky's own
    code divide it by `size` first: for their "alpha" pass alpha / size. With `groups` the windows
    end at the edges of that many equal groups of channels, as they did at the edge of a GPU; raises
    ValueError if the channels do not divide into them.
    """
    channels, before = x.shape[-1], size // 2
    if channels % groups:
        raise ValueError(
            f"{channels} channels do not divide into {groups} groups for response normalisation"
        )
    numbers = (size, alpha, beta, k)
    division = parallel.towers()
    if division is None or channels % division.parts:
        if current_target().platform == "gpu" and not export.is_symbolic_dim(x.shape[0]):
            return respond(x, groups, numbers)
        return _respond(x, x, 0, groups, numbers)
    spec = division.image_spec(x.shape)
    if groups % division.parts == 0:
        own = groups // division.parts
        return parallel.run(division, lambda x: _respond(x, x, 0, own, numbers), (spec,), spec, x)
    if groups > 1 or before > channels // division.parts:
        return _respond(x, x, 0, groups, numbers)

    def local(x: Array) -> Array:
        # Windows cross the edges between devices: the neighbours' outermost maps come over.
        wide = parallel.with_neighbours(x, before, size - 1 - before, division.parts)
        return _respond(x, wide, before, 1, numbers)

    return parallel.run(division, local, (spec,), spec, x)


def _respond(
    x: Array, wide: Array, before: int, groups: int, numbers: tuple[int, float, float, float]
) -> Array:
    """Normalises x [..., C] by windows over `wide` [..., C'].

    `wide` has `before` channels in front of x's first.
    """
    size, alpha, beta, k = numbers
    channels = x.shape[-1]
    row, column = np.arange(wide.shape[-1])[:, None] - before, np.arange(channels)[None, :]
    # Counted from the first channel of the column's window.
    distance = row - column + size // 2
    inside = (distance >= 0) & (distance < size)
    if groups > 1:
        inside &= row * groups // channels == column * groups // channels
    # 1 where a row is in the window of a column.
    band = inside.astype(np.float32)  # [C', C]
    squares = jnp.square(wide.astype(jnp.float32)).reshape(-1, wide.shape[-1])  # [..., C']
    total = jnp.dot(squares, band, precision=lax.Precision.HIGHEST).reshape(x.shape)
    denominator = k + alpha * total
    root = lax.rsqrt(denominator)
    # The published beta, 3/4, needs no power, whose logarithm and exponential cost more than all
    # else.
    power = root * jnp.sqrt(root) if beta == 0.75 else denominator**-beta
    return (x.astype(jnp.float32) * power).astype(x.dtype)


def batch_norm(
    x: Array, mean: Array, var: Array, scale: Array | None, bias: Array | None, *, epsilon: float
) -> Array:
    """Normalises x [..., C] by given statistics [C].

    The arithmetic is float32, folded into one multiply and one add.
    """
    factor = lax.rsqrt(var + epsilon)
    if scale is not None:
        factor = factor * scale
    offset = -mean * factor
    if bias is not None:
        offset = offset + bias
    wide = (1,) * (x.ndim - 1) + (-1,)
    return (x.astype(jnp.float32) * factor.reshape(wide) + offset.reshape(wide)).astype(x.dtype)


def batch_norm_train(
    x: Array,
    scale: Array | None,
    bias: Array | None,
    *,
    epsilon: float,
    group_size: int = 0,
    pivot: Array | None = None,
):
    """Normalises x [B, ..., C] by its own statistics over groups of `group_size` examples.

    0 takes the whole batch as one group, and so does a batch smaller than one group. Returns (y
    like x, mean [C], unbiased variance [C]), the statistics averaged over the groups. Raises
    ValueError if the groups do not divide the batch.

    Accelerators wait for memory, so there mean and variance come out of one reading of the map,
    from its distances to `pivot` [C], a guess of the mean such as the running one. The variance
    loses as many digits as the guess is deviations off, squared: 4 of float32's 7 at 100. Without a
    guess, and on the CPU, the map is read twice.
    """
    features = x.shape[-1]
    size = _group_size(x.shape[0], group_size)
    scale = jnp.ones(features, jnp.float32) if scale is None else scale
    bias = jnp.zeros(features, jnp.float32) if bias is None else bias
    grouped = x.reshape(x.shape[0] // size, size, *x.shape[1:])  # [G, g, ..., C]
    platform = current_target().platform
    normalise = _normalise_plainly if platform == ANY else _normalise
    outputs: Any = normalise(
        grouped, scale, bias, None if platform in (ANY, "cpu") else pivot, epsilon
    )
    y, mean, var = outputs  # [G, g, ..., C]; [G, C] twice
    count = _count(grouped)
    # From the biased variance to the unbiased one.
    correction = count / max_dim(count - 1, 1)
    return (
        y.reshape(x.shape),  # [B, ..., C]
        jnp.mean(mean, axis=0),  # [C]
        jnp.mean(var, axis=0) * correction,  # [C]
    )


def _group_size(batch: Any, group_size: int) -> Any:
    """How many examples of the batch, which may be symbolic, are one group."""
    if batch == 0:
        raise ValueError(
            "an empty batch has no statistics for BatchNorm: give one example or more, or "
            "normalise by running statistics"
        )
    if not group_size:
        return batch
    size = group_size if export.is_symbolic_dim(batch) else min(group_size, batch)
    if batch % size != 0:
        raise ValueError(
            f"a batch of {batch} does not divide into BatchNorm groups of {size}: use a group "
            f"size that divides the batch, and for a symbolic batch a multiple such as {size}*b"
        )
    return size


def _count(x: Array) -> Any:
    """How many numbers of x [G, g, ..., C] each statistic is taken over."""
    return math.prod(x.shape[1:-1])


def _normalise_plainly(x: Array, scale: Array, bias: Array, pivot: Array | None, epsilon: float):
    """Normalises each group of x [G, g, ..., C] by its own statistics.

    Returns (y, mean [G, C], biased variance [G, C]).
    """
    return _normalise_forward(x, scale, bias, pivot, epsilon)[0]


# The gradient is written out because it needs two sums over the map, where JAX's derivative of the
# text takes five.
_normalise = jax.custom_jvp(_normalise_plainly, nondiff_argnums=(4,))


@_normalise.defjvp
def _normalise_tangent(epsilon: float, primals: Any, tangents: Any) -> tuple[Any, Any]:
    x, scale, bias, pivot = primals
    outputs, saved = _normalise_forward(x, scale, bias, pivot, epsilon)
    moving = tangents[:3]  # the pivot does not matter to the result
    return outputs, tuple(linear_map(_of_inputs, _to_inputs, None, saved, moving, like=outputs))


def _sums(x: Array) -> Array:
    """[G, g, ..., C] -> [G, C]."""
    return jnp.sum(x, axis=tuple(range(1, x.ndim - 1)))


def _over(statistic: Array, x: Array) -> Array:
    """Broadcasts a statistic [G, C] or [C] against x [G, g, ..., C]."""
    lead = statistic.shape[0] if statistic.ndim == 2 else 1
    return statistic.reshape(lead, *(1,) * (x.ndim - 2), -1)


def _moments(x: Array, pivot: Array | None) -> tuple[Array, Array]:
    """Mean and biased variance of x [G, g, ..., C], float32 [G, C] each."""
    x32, count = x.astype(jnp.float32), _count(x)
    if pivot is None:
        mean = _sums(x32) / count
        return mean, _sums(jnp.square(x32 - _over(mean, x))) / count
    pivot = lax.stop_gradient(pivot.astype(jnp.float32))
    distance = x32 - _over(pivot, x)
    off = _sums(distance) / count
    # Rounding may make the difference negative where all numbers are equal.
    var = jnp.maximum(_sums(jnp.square(distance)) / count - jnp.square(off), 0.0)
    return pivot[None, :] + off, var


def _normalise_forward(x: Array, scale: Array, bias: Array, pivot: Array | None, epsilon: float):
    mean, var = _moments(x, pivot)
    centred = x.astype(jnp.float32) - _over(mean, x)
    inverse = lax.rsqrt(var + epsilon)
    y = centred * _over(inverse * scale[None, :], x) + _over(bias, x)
    return (y.astype(x.dtype), mean, var), (x, scale, mean, inverse)


def _of_inputs(static: None, saved, tangents):
    """The tangents of (y, mean, variance), given those of (x, scale, bias)."""
    x, scale, mean, inverse = saved
    dx, dscale, dbias = tangents
    dx, centred, count = dx.astype(jnp.float32), x.astype(jnp.float32) - _over(mean, x), _count(x)
    dmean = _sums(dx) / count  # [G, C]
    dvar = 2 * _sums(centred * dx) / count
    factor = inverse * scale[None, :]
    slope = inverse * dscale[None, :] - factor * jnp.square(inverse) * dvar / 2
    dy = _over(factor, x) * (dx - _over(dmean, x)) + _over(slope, x) * centred + _over(dbias, x)
    return [dy.astype(x.dtype), dmean, dvar]


def _to_inputs(static: None, saved, cotangents):
    """The gradients of (x, scale, bias), given those of (y, mean, variance)."""
    x, scale, mean, inverse = saved
    dy, dmean, dvar = cotangents
    dy, centred = dy.astype(jnp.float32), x.astype(jnp.float32) - _over(mean, x)
    count = _count(x)
    total, product = _sums(dy), _sums(dy * centred)  # [G, C]
    factor = inverse * scale[None, :]
    constant = (dmean - factor * total) / count
    slope = (2 * dvar - factor * jnp.square(inverse) * product) / count
    dx = _over(factor, x) * dy + _over(slope, x) * centred + _over(constant, x)
    return [dx.astype(x.dtype), jnp.sum(inverse * product, axis=0), jnp.sum(total, axis=0)]
