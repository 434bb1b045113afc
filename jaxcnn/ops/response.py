"""Local response normalisation of a GPU: one pass over the map, another for its gradient.

The windows are sums of shifted maps, which the compiler fuses with the rest, and nothing but the
map itself is kept for the gradient. Elsewhere a product with a band of ones is faster.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxcnn.ops.linear_map import linear_map

Array = jax.Array
Numbers = tuple[int, float, float, float]  # size, alpha, beta, k


@partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def respond(x: Array, groups: int, numbers: Numbers) -> Array:
    """Normalises x [..., C] over windows of its channels, which end at the edges of the groups."""
    power, _ = _power(x.astype(jnp.float32), groups, numbers)
    return (x.astype(jnp.float32) * power).astype(x.dtype)


@respond.defjvp
def _respond_tangent(groups: int, numbers: Numbers, primals, tangents):
    (x,), (dx,) = primals, tangents
    y = respond(x, groups, numbers)
    (dy,) = linear_map(_of_map, _to_map, (groups, numbers), [x], [dx], like=[y])
    return y, dy


def _power(x: Array, groups: int, numbers: Numbers) -> tuple[Array, Array]:
    """(d ** -beta, d) of the denominators d = k + alpha * sum of squares, float32 [..., C]."""
    size, alpha, beta, k = numbers
    before = size // 2
    denominator = k + alpha * _windows(jnp.square(x), before, size - 1 - before, groups)
    root = lax.rsqrt(denominator)
    # 3/4, the published beta, needs no power.
    return (root * jnp.sqrt(root) if beta == 0.75 else denominator**-beta), denominator


def _windows(x: Array, before: int, after: int, groups: int) -> Array:
    """Sums of x [..., C] over each channel with `before` and `after` neighbours of its group."""
    *lead, channels = x.shape
    parts = x.reshape(*lead, groups, channels // groups)  # [..., G, C / G]
    zero = np.zeros((), x.dtype)
    still = [(0, 0, 0)] * (parts.ndim - 1)
    shifted = [lax.pad(parts, zero, [*still, (n, -n, 0)]) for n in range(-after, before + 1)]
    return sum(shifted[1:], shifted[0]).reshape(x.shape)  # [..., C]


def _of_map(static, saved, tangents):
    """The tangent of the result, given that of the map."""
    (groups, numbers), (x,), (dx,) = static, saved, tangents
    size, alpha, beta, _ = numbers
    before = size // 2
    x32, dx32 = x.astype(jnp.float32), dx.astype(jnp.float32)
    power, denominator = _power(x32, groups, numbers)
    inner = _windows(x32 * dx32, before, size - 1 - before, groups)
    dy = dx32 * power - 2 * alpha * beta * x32 * power / denominator * inner
    return [dy.astype(x.dtype)]


def _to_map(static, saved, cotangents):
    """The gradient of the map, given that of the result."""
    (groups, numbers), (x,), (dy,) = static, saved, cotangents
    size, alpha, beta, _ = numbers
    before = size // 2
    x32, dy32 = x.astype(jnp.float32), dy.astype(jnp.float32)
    power, denominator = _power(x32, groups, numbers)
    # Every window that a channel lies in hands a part back; the barrier keeps the compiler from
    # computing it once for each of them.
    part = lax.optimization_barrier((dy32 * x32 * power / denominator).astype(x.dtype))
    handed = _windows(part.astype(jnp.float32), size - 1 - before, before, groups)
    return [(dy32 * power - 2 * alpha * beta * x32 * handed).astype(x.dtype)]
