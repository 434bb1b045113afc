"""How ops divide their work over the axis `model` of a mesh: in towers, or in slices.

With towers (AlexNet, figure 2) every device holds a share of each layer's channels. What reads only
its own share runs on its own device. What reads all channels gathers them first, and the gradient
of the gathering is a reduce-scatter. With slices ("one weird trick", arXiv:1404.5997) the batch
lies over both axes and only the kernels of linear layers are cut.

Each op computes in a `shard_map`, so that the exchanges are written here and not left to the
partitioner, which gathers whole batches for grouped convolutions. The division in force is that of
the target.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn.ops.target import Division, current_target, one_device

Array = jax.Array


def towers() -> Division | None:
    """The division in force if it is one into towers."""
    division = current_target().division
    return division if division and division.towers else None


def slices(batch: int) -> Division | None:
    """The division in force if it is one of linear layers that can cut a batch of that size."""
    division = current_target().division
    fits = division and not division.towers and batch % division.mesh.size == 0
    return division if fits else None


def whole(x: Array) -> Array:
    """x [B, ..., C] with all its channels on every device.

    What compares or sums channels, as a softmax does, needs them together.
    """
    division = towers()
    if division is None:
        return x
    rows = PartitionSpec(division.rows(x.shape[0]))
    return lax.with_sharding_constraint(x, NamedSharding(division.mesh, rows))


def run(
    division: Division,
    function: Callable[..., Array],
    in_specs: Any,
    out_specs: PartitionSpec,
    *inputs: Array,
) -> Array:
    """Computes `function` on each device, of its own shares of the inputs."""

    def local(*shares: Array) -> Array:
        with one_device():
            return function(*shares)

    # The types that check_vma follows do not reach through the ops' own derivatives; the transpose
    # is right without them.
    return jax.shard_map(
        local, mesh=division.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )(*inputs)


def apply_kernel(
    division: Division,
    function: Callable[[Array, Array], Array],
    x: Array,
    kernel: Array,
    *,
    gather: bool,
) -> Array:
    """Computes `function(x, kernel)` in towers: each device its share of the features.

    x [B, ..., C] by a kernel [..., F] -> [B, ..., F]. With `gather` a device reads all channels of
    x, else those of its own tower.
    """
    image, features = division.image_spec(x.shape), division.channels(kernel.shape[-1])
    gathered = gather and image[-1]

    def local(x: Array, kernel: Array) -> Array:
        if gathered:
            x = lax.all_gather(x, "model", axis=x.ndim - 1, tiled=True)  # [B, ..., C]
        return function(x, kernel)

    # The result has the rank of the kernel, in a convolution as in a linear layer.
    between = (None,) * (kernel.ndim - 2)
    specs = (image, PartitionSpec(None, *between, features))
    return run(division, local, specs, PartitionSpec(image[0], *between, features), x, kernel)


def with_neighbours(x: Array, before: int, after: int, parts: int) -> Array:
    """Adds the neighbouring devices' outermost channels to x [..., C]; call it inside `run`.

    In front stand the last `before` channels of the device before, behind the first `after` of the
    next one, and zeros at the two ends: [..., before + C + after].
    """
    last, first = x[..., x.shape[-1] - before :], x[..., :after]
    last = lax.ppermute(last, "model", [(i, i + 1) for i in range(parts - 1)])
    first = lax.ppermute(first, "model", [(i + 1, i) for i in range(parts - 1)])
    return lax.concatenate([last, x, first], x.ndim - 1)  # [..., before + C + after]
