"""The mesh, where arrays lie on it, and global batches from each process's share."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcnn.config import ConfigError, Sharding


def make_mesh(sharding: Sharding, devices: list | None = None) -> Mesh:
    """The ("data", "model") mesh over all devices of all processes; raises ConfigError where the sizes do not multiply to them."""
    devices = jax.devices() if devices is None else devices
    count = len(devices)
    data, model = sharding.data, sharding.model
    if data == -1 and model == -1:
        raise ConfigError("config.sharding.data and config.sharding.model are both -1; only one can take what is left")
    if data == -1 and count % model == 0:
        data = count // model
    if model == -1 and count % data == 0:
        model = count // data
    if data * model != count or min(data, model) < 1:
        fits = ", ".join(f"data={count // m} model={m}" for m in range(1, count + 1) if count % m == 0)
        raise ConfigError(f"a mesh of data={data} model={model} does not fill {count} devices; these do: {fits}")
    auto = (AxisType.Auto, AxisType.Auto)  # make_mesh's default axes are Explicit, which asks every op for its output sharding
    if jax.process_count() > 1:  # each process's devices beside each other: it reads one contiguous part of every batch
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        return Mesh(np.array(ordered).reshape(data, model), ("data", "model"), axis_types=auto)
    return jax.make_mesh((data, model), ("data", "model"), axis_types=auto, devices=devices)


def check_batch(mesh: Mesh, batch_size: int, accumulate: int = 1, field: str = "data.batch_size", *, whole_mesh: bool = False) -> None:
    """Raises ConfigError unless every device of `data`, or of the whole mesh, gets the same number of examples of every micro-batch."""
    devices = mesh.size if whole_mesh else mesh.shape["data"]
    unit = devices * accumulate
    if batch_size % unit:
        below, above = batch_size // unit * unit, (batch_size // unit + 1) * unit
        near = f"{below} or {above}" if below else f"{above}"
        parts = f"{devices} devices" + (f" times {accumulate} micro-batches" if accumulate > 1 else "")
        raise ConfigError(f"config.{field} {batch_size} does not divide over {parts}; the nearest that does: {near}")


def replicated(mesh: Mesh) -> NamedSharding:
    """One whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_data(mesh: Mesh) -> NamedSharding:
    """Leading axis split over `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put_batch(mesh: Mesh, local: dict[str, np.ndarray], shares: int = 1) -> dict[str, jax.Array]:
    """This process's part of a global batch, one of `shares` equal ones -> the global batch, split over `data`."""

    def put(x: np.ndarray) -> jax.Array:
        return jax.make_array_from_process_local_data(over_data(mesh), x, (len(x) * shares, *x.shape[1:]))

    return {name: put(np.asarray(x)) for name, x in local.items()}


def put_replicated(mesh: Mesh, tree: Any) -> Any:
    """The same host arrays on every device."""
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    place = replicated(mesh)  # device_put would send every array from process to process to compare them
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(place, np.asarray(x), np.shape(x)), tree)


SMALL = 2**14  # parameters below this many elements are cheaper to copy than to gather


def has_towers(mesh: Mesh, model: Any) -> bool:
    """Whether a network's groups divide over the axis `model`, so that each of its devices can hold one or more towers."""
    groups = getattr(model, "groups", 1)
    return groups > 1 and mesh.shape["model"] > 1 and groups % mesh.shape["model"] == 0


def repeated_work(mesh: Mesh, sharding: Sharding, model: Any) -> str:
    """One sentence where nothing is divided over the axis `model`, so that its devices do the same work; "" where something is."""
    width = mesh.shape["model"]
    if width == 1 or sharding.model_parallel_linear or has_towers(mesh, model):
        return ""
    groups = getattr(model, "groups", 1)
    towers = f"its {groups} towers do not divide over it" if groups > 1 else "it has no towers"
    return (
        f"each {width} devices of config.sharding.model={width} repeat the same work, since {type(model).__name__} has nothing to divide over "
        f"that axis ({towers}); set config.sharding.model=1 to give them different images, or config.sharding.model_parallel_linear=True to "
        "divide the linear layers"
    )


def _spec(mesh: Mesh, sharding: Sharding, towers: bool, path: tuple, shape: tuple[int, ...]) -> PartitionSpec:
    """Where one array of the state lies: split over `model` and `data` along axes that divide, or everywhere."""
    axes: list[str | None] = [None] * len(shape)
    linear_kernel = len(shape) == 2 and getattr(path[-1], "key", None) == "kernel"
    if shape and shape[-1] % mesh.shape["model"] == 0 and (towers or (sharding.model_parallel_linear and linear_kernel)):
        axes[-1] = "model"  # the layer's outputs: each device computes its share of the channels
    if sharding.fsdp and int(np.prod(shape)) >= SMALL:
        free = [i for i, axis in enumerate(axes) if axis is None and shape[i] % mesh.shape["data"] == 0]
        if free:
            axes[max(free, key=lambda i: shape[i])] = "data"
    return PartitionSpec(*axes)


def state_shardings(mesh: Mesh, sharding: Sharding, state: Any, towers: bool = False) -> Any:
    """A sharding for every leaf of the (abstract) state: replicated, or as `towers`, `fsdp` and `model_parallel_linear` say.

    With `towers` each device of `model` holds its share of the output channels of every layer, which are the last axis of every
    parameter. Optimizer state and averaged weights lie with their parameters.
    """
    return jax.tree_util.tree_map_with_path(lambda path, x: NamedSharding(mesh, _spec(mesh, sharding, towers, path, x.shape)), state)


def spread(mesh: Mesh, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Inside jit: a batch that lies over `data` and is the same along `model`, cut over `model` as well, which moves nothing."""
    everywhere = NamedSharding(mesh, PartitionSpec(("data", "model")))
    return {name: jax.lax.with_sharding_constraint(x, everywhere) for name, x in batch.items()}
