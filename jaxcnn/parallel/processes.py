"""What several processes agree on: values, meetings, votes, and who reads which part of a batch.

Messages and barriers are JAX's own (runtime.py). With one process nothing here opens a connection,
and every function returns what that process says. joining.py has the start and the end.
"""

import collections
import json
import pathlib
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import ConfigError, StartError
from jaxcnn.parallel import runtime

# An hour for what another process does first, such as opening a dataset; a process that dies
# meanwhile ends the wait.
WAIT_MS = 3_600_000
# Dispatches between two votes.
VOTE_EVERY = 4

# How often each name was used: all processes come to the same calls in the same order, so the n-th
# use is the same everywhere.
_uses: collections.Counter = collections.Counter()


def from_first(name: str, decide: Callable[[], Any]) -> Any:
    """Returns in every process what `decide` returns in process 0, as JSON has it.

    All processes call this in the same order.
    """
    if jax.process_count() == 1:
        return decide()
    _uses[name] += 1
    key = f"jaxcnn/{name}/{_uses[name]}"
    if jax.process_index() == 0:
        runtime.put(key, json.dumps(decide()))
    return json.loads(runtime.get(key, WAIT_MS))


def from_any(name: str, text: str) -> str:
    """Returns `text` where it is not empty, else that of another process which has one.

    All processes get a text, or none does.
    """
    if jax.process_count() == 1:
        return text
    folder = f"jaxcnn/{name}/{_uses[name] + 1}"
    if text:
        runtime.put(f"{folder}/{jax.process_index()}", text)
    meet(name)
    texts = runtime.texts_under(folder)
    return text or next(iter(texts), "")


def meet(name: str) -> None:
    """Returns once every process has come here."""
    if jax.process_count() > 1:
        _uses[name] += 1
        runtime.barrier(f"jaxcnn/{name}/{_uses[name]}", WAIT_MS)


def check_shared(folder: pathlib.Path, seconds: float = 15.0) -> None:
    """Raises StartError unless every process sees in `folder` what process 0 writes there.

    All wait here for process 0.
    """
    if jax.process_count() == 1:
        return

    def write() -> str:
        token = folder / f".shared-{secrets.token_hex(8)}"
        token.touch()
        return token.name

    token = folder / from_first("token", write)
    # Network file systems remember for some seconds that a file was not there.
    deadline = time.monotonic() + seconds
    while not any(path.name == token.name for path in folder.iterdir()):
        if time.monotonic() > deadline:
            raise StartError(
                f"process {jax.process_index()} on {socket.gethostname()} does not see in {folder} "
                "what process 0 wrote there; "
                "--workdir must lie on a file system that all hosts share"
            )
        time.sleep(0.2)
    meet("token seen")
    if jax.process_index() == 0:
        token.unlink()


def share_of(mesh: Mesh) -> tuple[int, int]:
    """Returns (i, n): this process holds the i-th of n equal parts of arrays split over `data`.

    Several processes may hold the same part. Raises ConfigError where a process holds no whole
    part.
    """
    mine = jax.process_index()
    rows = [
        row
        for row, devices in enumerate(mesh.devices)
        if any(device.process_index == mine for device in devices)
    ]
    index = rows[0] // len(rows)
    expected = list(range(index * len(rows), (index + 1) * len(rows)))
    if mesh.shape["data"] % len(rows) or rows != expected:
        own = jax.local_device_count()
        raise ConfigError(
            f"a mesh of data={mesh.shape['data']} model={mesh.shape['model']} splits "
            f"{jax.process_count()} processes of {own} devices; "
            f"config.sharding.model must divide, or be a multiple of, {own}"
        )
    return index, mesh.shape["data"] // len(rows)


def whole(mesh: Mesh, tree: Any) -> Any:
    """Lays every array of `tree` whole on every device, so that each process can read it."""
    if jax.process_count() == 1:
        return tree
    return jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)


class Vote:
    """Makes what any process wishes into what all processes do, at the same step.

    A vote is an all-reduce of one row of flags for each device. It is sent off and read
    `VOTE_EVERY` calls later, when it has long arrived, so that nobody waits for it. A single
    process has its wishes at once.
    """

    def __init__(self, mesh: Mesh):
        self._mesh = mesh
        self._calls = 0
        self._pending: jax.Array | None = None
        everywhere = NamedSharding(mesh, PartitionSpec())
        # [devices, n] -> [n]
        self._any = jax.jit(lambda rows: rows.any(axis=0), out_shardings=everywhere)

    def __call__(self, *wishes: bool) -> tuple[bool, ...]:
        """Returns which of the wishes are to be carried out now.

        Every process calls this equally often.
        """
        if jax.process_count() == 1:
            return wishes
        self._calls += 1
        nothing = (False,) * len(wishes)
        if self._calls % VOTE_EVERY:
            return nothing
        decided = nothing
        if self._pending is not None:
            decided = tuple(bool(flag) for flag in np.asarray(self._pending))
        if any(decided):
            # What was wished before this decision came is not wished twice.
            self._pending = None
            return decided
        self._pending = self._any(self._global_rows(wishes))
        return decided

    def _global_rows(self, wishes: tuple[bool, ...]) -> jax.Array:
        """The wishes of all processes, one row for each device, [devices, n]."""
        mine = np.array([wishes] * jax.local_device_count())
        by_device = NamedSharding(self._mesh, PartitionSpec(("data", "model")))
        shape = (self._mesh.size, len(wishes))
        return jax.make_array_from_process_local_data(by_device, mine, shape)
