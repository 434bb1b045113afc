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
    return jax.make_mesh((data, model), ("data", "model"), axis_types=auto, devices=devices)


def check_batch(mesh: Mesh, batch_size: int, accumulate: int = 1, field: str = "data.batch_size") -> None:
    """Raises ConfigError unless every device gets the same number of examples of every micro-batch."""
    unit = mesh.shape["data"] * accumulate
    if batch_size % unit:
        below, above = batch_size // unit * unit, (batch_size // unit + 1) * unit
        near = f"{below} or {above}" if below else f"{above}"
        parts = f"{mesh.shape['data']} devices" + (f" times {accumulate} micro-batches" if accumulate > 1 else "")
        raise ConfigError(f"config.{field} {batch_size} does not divide over {parts}; the nearest that does: {near}")


def replicated(mesh: Mesh) -> NamedSharding:
    """One whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_data(mesh: Mesh) -> NamedSharding:
    """Leading axis split over `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put_batch(mesh: Mesh, local: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    """This process's share of a global batch -> the global batch, split over `data`."""
    return {name: jax.make_array_from_process_local_data(over_data(mesh), np.asarray(x)) for name, x in local.items()}


def put_replicated(mesh: Mesh, tree: Any) -> Any:
    """The same host arrays on every device."""
    return jax.device_put(tree, replicated(mesh))


SMALL = 2**14  # parameters below this many elements are cheaper to copy than to gather


def _spec(mesh: Mesh, sharding: Sharding, shape: tuple[int, ...]) -> PartitionSpec:
    """Where one array of the state lies: split over `model` and `data` along axes that divide, or everywhere."""
    axes: list[str | None] = [None] * len(shape)
    if int(np.prod(shape)) < SMALL:
        return PartitionSpec()
    if sharding.model_parallel_linear and len(shape) == 2 and shape[1] % mesh.shape["model"] == 0:
        axes[1] = "model"  # a linear layer's outputs: each device computes its share of the features
    if sharding.fsdp:
        free = [i for i, axis in enumerate(axes) if axis is None and shape[i] % mesh.shape["data"] == 0]
        if free:
            axes[max(free, key=lambda i: shape[i])] = "data"
    return PartitionSpec(*axes)


def state_shardings(mesh: Mesh, sharding: Sharding, state: Any) -> Any:
    """A sharding for every leaf of the (abstract) state: replicated, or as `fsdp` and `model_parallel_linear` say.

    Optimizer state and averaged weights have the shapes of their parameters and lie with them.
    """
    return jax.tree.map(lambda x: NamedSharding(mesh, _spec(mesh, sharding, x.shape)), state)
