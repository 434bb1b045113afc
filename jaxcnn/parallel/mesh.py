"""The mesh, where arrays lie on it, and global batches made from each process's share."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError


def make_mesh(sharding: Sharding, devices: list | None = None) -> Mesh:
    """Makes the ("data", "model") mesh over all devices of all processes, or over `devices`.

    Raises ConfigError where the sizes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    count = len(devices)
    data, model = sharding.data, sharding.model
    if data == -1 and model == -1:
        raise ConfigError(
            "config.sharding.data and config.sharding.model are both -1; "
            "only one can take what is left"
        )
    if data == -1 and count % model == 0:
        data = count // model
    if model == -1 and count % data == 0:
        model = count // data
    if data * model != count or min(data, model) < 1:
        divisors = [m for m in range(1, count + 1) if count % m == 0]
        fits = ", ".join(f"data={count // m} model={m}" for m in divisors)
        raise ConfigError(
            f"a mesh of data={data} model={model} does not fill {count} devices; these do: {fits}"
        )
    # The default axes of jax.make_mesh are Explicit, which asks every op for the sharding of its
    # output.
    auto = (AxisType.Auto, AxisType.Auto)
    if jax.process_count() > 1:
        # Each process's devices lie beside each other, so that it reads one contiguous part of
        # every batch.
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        return Mesh(np.array(ordered).reshape(data, model), ("data", "model"), axis_types=auto)
    return jax.make_mesh((data, model), ("data", "model"), axis_types=auto, devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding that lays one whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_data(mesh: Mesh) -> NamedSharding:
    """The sharding that splits the leading axis over `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put_batch(mesh: Mesh, local: dict[str, np.ndarray], shares: int = 1) -> dict[str, jax.Array]:
    """Makes the global batch, split over `data`, from this process's part of it.

    `local` is one of `shares` equal parts.
    """

    def put(x: np.ndarray) -> jax.Array:
        shape = (len(x) * shares, *x.shape[1:])
        return jax.make_array_from_process_local_data(over_data(mesh), x, shape)

    return {name: put(np.asarray(x)) for name, x in local.items()}


def put_replicated(mesh: Mesh, tree: Any) -> Any:
    """Lays the same host arrays on every device."""
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    # device_put would send every array from process to process to compare them.
    place = replicated(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(place, np.asarray(x), np.shape(x)), tree
    )
