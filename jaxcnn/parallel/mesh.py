"""The mesh, where arrays lie on it, and global batches from each process's share."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import ConfigError


def make_mesh(sharding: Sharding, devices: list | None = None) -> Mesh:
    """The ("data", "model") mesh over all devices of all processes; raises ConfigError where the sizes do not multiply to them."""
    devices = jax.devices() if devices is None else devices
    count = len(devices)
    data, model = sharding.data, sharding.model
    if data == -1 and model == -1:
        raise ConfigError(
            "config.sharding.data and config.sharding.model are both -1; only one can take what is left"
        )
    if data == -1 and count % model == 0:
        data = count // model
    if model == -1 and count % data == 0:
        model = count // data
    if data * model != count or min(data, model) < 1:
        fits = ", ".join(
            f"data={count // m} model={m}" for m in range(1, count + 1) if count % m == 0
        )
        raise ConfigError(
            f"a mesh of data={data} model={model} does not fill {count} devices; these do: {fits}"
        )
    auto = (
        AxisType.Auto,
        AxisType.Auto,
    )  # make_mesh's default axes are Explicit, which asks every op for its output sharding
    if (
        jax.process_count() > 1
    ):  # each process's devices beside each other: it reads one contiguous part of every batch
        ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
        return Mesh(np.array(ordered).reshape(data, model), ("data", "model"), axis_types=auto)
    return jax.make_mesh((data, model), ("data", "model"), axis_types=auto, devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """One whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def over_data(mesh: Mesh) -> NamedSharding:
    """Leading axis split over `data`."""
    return NamedSharding(mesh, PartitionSpec("data"))


def put_batch(mesh: Mesh, local: dict[str, np.ndarray], shares: int = 1) -> dict[str, jax.Array]:
    """This process's part of a global batch, one of `shares` equal ones -> the global batch, split over `data`."""

    def put(x: np.ndarray) -> jax.Array:
        return jax.make_array_from_process_local_data(
            over_data(mesh), x, (len(x) * shares, *x.shape[1:])
        )

    return {name: put(np.asarray(x)) for name, x in local.items()}


def put_replicated(mesh: Mesh, tree: Any) -> Any:
    """The same host arrays on every device."""
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    place = replicated(
        mesh
    )  # device_put would send every array from process to process to compare them
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(place, np.asarray(x), np.shape(x)), tree
    )
