"""A linear layer over whole maps."""

import math

import jax
from jax import lax
from jax.sharding import PartitionSpec

from jaxcnn.ops import parallel, wide_gradient
from jaxcnn.ops.target import current_target

Array = jax.Array


def linear(x: Array, kernel: Array) -> Array:
    """Multiplies all of x [B, ..., C] by kernel [... * C, F] -> [B, F], in the type of x.

    The work is divided over devices as the target says.
    """
    if not current_target().wide_sums:
        kernel = kernel.astype(x.dtype)
    if division := parallel.towers():
        return parallel.apply_kernel(division, _product, x, kernel, gather=True)
    if (division := parallel.slices(x.shape[0])) and division.channels(kernel.shape[1]):
        rows = PartitionSpec(("data", "model"))
        specs = (rows, PartitionSpec(None, "model"))
        return parallel.run(division, _sliced, specs, rows, x, kernel)
    return _product(x, kernel)


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))  # [B, ... * C]


def _product(x: Array, kernel: Array) -> Array:
    if kernel.dtype != x.dtype:
        return wide_gradient.product(_flat(x), kernel)  # [B, F]
    return _flat(x) @ kernel  # [B, F]


def _sliced(x: Array, kernel: Array) -> Array:
    """Computes a device's rows [b, F] from its rows of the batch and its share of the features.

    These are x [b, ...] and kernel [D, F / m].
    Scheme (a) of arXiv:1404.5997, section 4.1: the rows of all devices come together, each device
    computes its features of them, and the features go back to the device whose rows they describe.
    """
    rows = lax.all_gather(_flat(x), "model", axis=0, tiled=True)  # [m * b, D]
    features = rows @ kernel.astype(x.dtype)  # [m * b, F / m]
    return lax.all_to_all(features, "model", split_axis=0, concat_axis=1, tiled=True)  # [b, F]
