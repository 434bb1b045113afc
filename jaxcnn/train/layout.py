"""How a run lies on the mesh: batches that divide, shardings of the state, towers on `model`."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError

# Parameters below this many elements are cheaper to copy than to gather.
SMALL = 2**14


def described(mesh: Mesh) -> str:
    """The mesh for a reader, "8 data x 1 model (cpu)"."""
    sizes = " x ".join(f"{size} {axis}" for axis, size in mesh.shape.items())
    return f"{sizes} ({mesh.devices.flat[0].platform})"


def check_batch(
    mesh: Mesh,
    batch_size: int,
    accumulate: int = 1,
    field: str = "data.batch_size",
    *,
    whole_mesh: bool = False,
) -> None:
    """Raises ConfigError unless every device gets as many examples of every micro-batch.

    Those are the devices of `data`, or of the whole mesh.
    """
    devices = mesh.size if whole_mesh else mesh.shape["data"]
    unit = devices * accumulate
    if batch_size % unit == 0:
        return
    below, above = batch_size // unit * unit, (batch_size // unit + 1) * unit
    near = f"{below} or {above}" if below else f"{above}"
    over = f"{devices} devices"
    if accumulate > 1:
        over += f" times {accumulate} micro-batches"
    raise ConfigError(
        f"config.{field} {batch_size} does not divide over {over}; the nearest that does: {near}"
    )


def has_towers(mesh: Mesh, model: Any) -> bool:
    """Whether a network's groups divide over the axis `model`, one or more towers to a device."""
    groups = getattr(model, "groups", 1)
    return groups > 1 and mesh.shape["model"] > 1 and groups % mesh.shape["model"] == 0


def repeated_work(mesh: Mesh, sharding: Sharding, model: Any) -> str:
    """One sentence where the devices of the axis `model` do the same work, else "".

    They do where nothing is divided over it.
    """
    width = mesh.shape["model"]
    if width == 1 or sharding.model_parallel_linear or has_towers(mesh, model):
        return ""
    groups = getattr(model, "groups", 1)
    towers = f"its {groups} towers do not divide over it" if groups > 1 else "it has no towers"
    return (
        f"each {width} devices of config.sharding.model={width} repeat the same work, since "
        f"{type(model).__name__} has nothing to divide over that axis ({towers}); set "
        "config.sharding.model=1 to give them different images, or "
        "config.sharding.model_parallel_linear=True to divide the linear layers"
    )


def _spec(
    mesh: Mesh, sharding: Sharding, towers: bool, path: tuple, shape: tuple[int, ...]
) -> PartitionSpec:
    """Where one array of the state lies: split along axes that divide, or whole everywhere."""
    axes: list[str | None] = [None] * len(shape)
    linear_kernel = len(shape) == 2 and getattr(path[-1], "key", None) == "kernel"
    if (
        shape
        and shape[-1] % mesh.shape["model"] == 0
        and (towers or (sharding.model_parallel_linear and linear_kernel))
    ):
        axes[-1] = "model"  # the layer's outputs: each device computes its share of the channels
    if sharding.fsdp and int(np.prod(shape)) >= SMALL:
        free = [
            i for i, axis in enumerate(axes) if axis is None and shape[i] % mesh.shape["data"] == 0
        ]
        if free:
            axes[max(free, key=lambda i: shape[i])] = "data"
    return PartitionSpec(*axes)


def state_shardings(mesh: Mesh, sharding: Sharding, state: Any, towers: bool = False) -> Any:
    """A sharding for every leaf of the (abstract) state.

    That is replicated, or as `towers`, `fsdp` and `model_parallel_linear` say. With `towers` each
    device of `model` holds its share of the output channels of every layer, which are the last
    axis of every parameter. Optimizer state and averaged weights lie with their parameters.
    """
    return jax.tree_util.tree_map_with_path(
        lambda path, x: NamedSharding(mesh, _spec(mesh, sharding, towers, path, x.shape)), state
    )


def spread(mesh: Mesh, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Inside jit: a batch that lies over `data`, cut over `model` as well, which moves nothing."""
    everywhere = NamedSharding(mesh, PartitionSpec(("data", "model")))
    return {name: jax.lax.with_sharding_constraint(x, everywhere) for name, x in batch.items()}
