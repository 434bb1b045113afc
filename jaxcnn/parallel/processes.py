"""Several processes as one program: how they find each other, what they agree on, and how the end of one becomes the end of all.

Start-up, barriers and messages are JAX's own distributed runtime: its detection of clusters, its coordination service (a process that dies
is noticed by its missing heartbeat), its key-value store. With one process nothing here opens a connection, and every function returns
what that process says.
"""

import collections
import json
import os
import pathlib
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax._src import distributed as runtime  # the key-value store has no public name
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxcnn.errors import ConfigError, StartError
from jaxcnn.parallel.launch import START_SECONDS, Launch, plan

HEARTBEAT_SECONDS = (
    60  # a process that has not been heard of for so long is dead, and the others end
)
POLL_SECONDS = 2.0  # how often a process looks whether another one has said that it ends
WAIT_MS = 3_600_000  # for what another process does first, such as opening a dataset; a process that dies meanwhile ends the wait
VOTE_EVERY = 4  # dispatches between two votes
ENDED = "jaxcnn/ended"


def initialize(launch: Launch) -> None:
    """Joins the other processes, if there are to be any, before the first device is touched. Raises StartError with one sentence."""
    arguments = plan(launch, os.environ)
    if arguments is None:
        return
    jax.config.update(
        "jax_enable_preemption_service", False
    )  # it would take SIGTERM away from guard.StopRequest
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    gave_up = threading.Timer(launch.start_timeout, _give_up, (launch.start_timeout, arguments))
    gave_up.daemon = True
    gave_up.start()  # JAX's own deadline aborts the process with a stack trace: ours comes first
    try:
        jax.distributed.initialize(
            **arguments,
            initialization_timeout=launch.start_timeout + 30,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except Exception as error:  # whatever a cluster's interface makes of a wrong environment
        raise StartError(
            f"the processes could not join: {' '.join(str(error).split())[:400]}"
        ) from None
    finally:
        gave_up.cancel()
    threading.Thread(target=_watch, daemon=True).start()
    _check_counts()


def _give_up(seconds: int, arguments: dict[str, Any]) -> None:
    address = (
        runtime.global_state.coordinator_address
        or arguments.get("coordinator_address")
        or "an address not found out yet"
    )
    try:
        host, port = address.rsplit(":", 1)
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        found = "it answers, but not every process came; each needs the same --num_processes and a --process_id of its own"
    except (OSError, ValueError):
        found = (
            "nothing answers there; is process 0 running, and does a firewall let the port through?"
        )
    _leave(f"error: no start within {seconds} s at the coordinator {address}: {found}", 1)


def _check_counts() -> None:
    """Raises StartError unless all processes were told the same number of processes, and see each other's devices."""
    mine, state = runtime.global_state.num_processes, runtime.global_state
    if state.process_id == 0:
        _client().key_value_set("jaxcnn/num_processes", str(mine))
    first = int(_client().blocking_key_value_get("jaxcnn/num_processes", 1000 * START_SECONDS))
    if mine != first:
        raise StartError(
            f"process {state.process_id} was told of {mine} processes and process 0 of {first}; give all the same number"
        )
    if jax.process_count() != mine or jax.device_count() != mine * jax.local_device_count():
        raise StartError(
            f"{mine} processes started, and process {state.process_id} sees {jax.process_count()} processes, {jax.device_count()} devices and "
            f"{jax.local_device_count()} of its own; every process needs the same number of devices, and none may use them before it joins"
        )


def _client() -> Any:
    client = runtime.global_state.client
    assert client is not None
    return client


def _watch() -> None:
    """Ends this process when another one has said that it ends; without this it would wait for that one until its heartbeat is missed."""
    failures = 0
    while failures < 5:
        time.sleep(POLL_SECONDS)
        try:
            ended = [json.loads(text) for _, text in _client().key_value_dir_get(ENDED)]
        except Exception:  # a network that hiccups; or the service is gone, and JAX ends the process or it is ending
            failures += 1
            continue
        failures = 0
        number, why, code = min(ended, default=(runtime.global_state.process_id, "", 0))
        if number != runtime.global_state.process_id:
            _leave(f"error: process {number} ended: {why}", code)


def _leave(sentence: str, code: int) -> None:
    print(sentence, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(
        code
    )  # not sys.exit: leaving JAX's service in good order waits for the others, who wait for this process


def end(why: str, code: int, said: str = "") -> None:
    """Says `said`, ends this process with `code` and tells the others `why`, who end soon with the same code. Does nothing if it is alone."""
    if runtime.global_state.client is None:
        return
    if said:
        print(said, file=sys.stderr)
    number = runtime.global_state.process_id
    try:
        _client().key_value_set(
            f"{ENDED}/{number}", json.dumps((number, why, code)), allow_overwrite=True
        )
        time.sleep(2 * POLL_SECONDS if number == 0 else 0)  # process 0 serves the message
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


_asked = collections.Counter()


def from_first(name: str, decide: Callable[[], Any]) -> Any:
    """What `decide` returns in process 0 (as JSON has it), in every process, which all come here in the same order."""
    if jax.process_count() == 1:
        return decide()
    _asked[name] += 1
    key = f"jaxcnn/{name}/{_asked[name]}"
    if jax.process_index() == 0:
        _client().key_value_set(key, json.dumps(decide()))
    return json.loads(_client().blocking_key_value_get(key, WAIT_MS))


def from_any(name: str, text: str) -> str:
    """`text` where it is not empty, else that of another process which has one: all get one, or none does."""
    if jax.process_count() == 1:
        return text
    folder = f"jaxcnn/{name}/{_asked[name] + 1}"
    if text:
        _client().key_value_set(f"{folder}/{jax.process_index()}", text)
    meet(name)
    said = [found for _, found in _client().key_value_dir_get(folder)]
    return text or next(iter(said), "")


def meet(name: str) -> None:
    """Returns once every process has come here."""
    if jax.process_count() > 1:
        _asked[name] += 1
        _client().wait_at_barrier(f"jaxcnn/{name}/{_asked[name]}", WAIT_MS)


def check_shared(folder: pathlib.Path, seconds: float = 15.0) -> None:
    """Raises StartError unless every process sees in `folder` what process 0 writes there. All wait here for process 0."""
    if jax.process_count() == 1:
        return

    def write() -> str:
        token = folder / f".shared-{secrets.token_hex(8)}"
        token.touch()
        return token.name

    token = folder / from_first("token", write)
    deadline = (
        time.monotonic() + seconds
    )  # network file systems remember for some seconds what was not there
    while not any(path.name == token.name for path in folder.iterdir()):
        if time.monotonic() > deadline:
            raise StartError(
                f"process {jax.process_index()} on {socket.gethostname()} does not see in {folder} what process 0 wrote there; "
                "--workdir must lie on a file system that all hosts share"
            )
        time.sleep(0.2)
    meet("token seen")
    if jax.process_index() == 0:
        token.unlink()


def share_of(mesh: Mesh) -> tuple[int, int]:
    """(i, n): this process's devices hold the i-th of n equal parts of every array split over `data`; several may hold the same part."""
    rows = sorted(
        {
            row
            for row, _ in np.argwhere(
                [[d.process_index == jax.process_index() for d in line] for line in mesh.devices]
            )
        }
    )
    index = rows[0] // len(rows)
    if mesh.shape["data"] % len(rows) or rows != list(
        range(index * len(rows), (index + 1) * len(rows))
    ):
        raise ConfigError(
            f"a mesh of data={mesh.shape['data']} model={mesh.shape['model']} splits {jax.process_count()} processes of "
            f"{jax.local_device_count()} devices; config.sharding.model must divide, or be a multiple of, {jax.local_device_count()}"
        )
    return int(index), mesh.shape["data"] // len(rows)


def whole(mesh: Mesh, tree: Any) -> Any:
    """`tree` with every array whole on every device, so that each process can read it."""
    if jax.process_count() == 1:
        return tree
    return jax.jit(lambda x: x, out_shardings=NamedSharding(mesh, PartitionSpec()))(tree)


class Vote:
    """What any process wishes becomes what all do, at the same step.

    A vote is an all-reduce of one row of flags a device that is sent off and read `VOTE_EVERY` calls later, when it has long arrived, so that
    nobody waits for it. A single process has its wishes at once.
    """

    def __init__(self, mesh: Mesh):
        self._mesh = mesh
        self._calls = 0
        self._pending: jax.Array | None = None
        self._any = jax.jit(
            lambda rows: rows.any(axis=0), out_shardings=NamedSharding(mesh, PartitionSpec())
        )  # [devices, n] -> [n]

    def __call__(self, *wishes: bool) -> tuple[bool, ...]:
        """Which of the wishes are to be carried out now; every process calls this equally often."""
        if jax.process_count() == 1:
            return wishes
        self._calls += 1
        nothing = (False,) * len(wishes)
        if self._calls % VOTE_EVERY:
            return nothing
        decided = (
            nothing if self._pending is None else tuple(bool(x) for x in np.asarray(self._pending))
        )
        if any(decided):
            self._pending = None  # what was wished before this decision came is not wished twice
            return decided
        rows = NamedSharding(self._mesh, PartitionSpec(("data", "model")))
        mine = np.array([wishes] * jax.local_device_count())
        self._pending = self._any(
            jax.make_array_from_process_local_data(rows, mine, (self._mesh.size, len(wishes)))
        )
        return decided
