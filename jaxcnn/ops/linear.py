"""A linear layer over whole maps."""

import jax
from jax import lax
from jax.sharding import PartitionSpec

from jaxcnn.ops import parallel

Array = jax.Array


def linear(x: Array, kernel: Array) -> Array:
    """All of x [B, ..., C] by kernel [... * C, F] -> [B, F], on one device or as `parallel` divides it."""
    if division := parallel.towers():
        return parallel.apply_kernel(division, _product, x, kernel, gather=True)
    if (division := parallel.slices(x.shape[0])) and division.channels(kernel.shape[1]):
        rows = PartitionSpec(("data", "model"))
        return parallel.run(
            division, _sliced, (rows, PartitionSpec(None, "model")), rows, x, kernel
        )
    return _product(x, kernel)


def _product(x: Array, kernel: Array) -> Array:
    return x.reshape(x.shape[0], -1) @ kernel


def _sliced(x: Array, kernel: Array) -> Array:
    """A device's rows of the batch [b, ...] and its features [D, F / m] -> its rows [b, F].

    Scheme (a) of arXiv:1404.5997, section 4.1: the rows of all devices come together, each computes its features of them, and the
    features go back to the device whose rows they describe.
    """
    rows = lax.all_gather(x.reshape(x.shape[0], -1), "model", axis=0, tiled=True)  # [m * b, D]
    return lax.all_to_all(rows @ kernel, "model", split_axis=0, concat_axis=1, tiled=True)  # [b, F]
