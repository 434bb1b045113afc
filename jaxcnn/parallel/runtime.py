"""The only place that touches JAX's private distributed runtime.

JAX has no public name for its key-value store, its barriers and its coordinator's address. All that
this package needs of them passes through here, so that a version of JAX that moves them breaks this
file and tests/parallel/test_runtime.py, which tests each name of `STATE` and `CLIENT`, and nothing
else.
"""

import importlib
from typing import Any

import jax

from jaxcnn.errors import StartError

MODULE = "jax._src.distributed"
STATE = ("client", "process_id", "num_processes", "coordinator_address")
CLIENT = ("key_value_set", "blocking_key_value_get", "key_value_dir_get", "wait_at_barrier")


def _state() -> Any:
    """JAX's own record of its distributed runtime.

    Raises StartError where this version of JAX keeps it elsewhere.
    """
    try:
        return importlib.import_module(MODULE).global_state
    except (ImportError, AttributeError):
        raise StartError(
            f"JAX {jax.__version__} has no {MODULE}.global_state, "
            "which runs of several processes need; install the version that constraints.txt names"
        ) from None


def _client() -> Any:
    return _state().client


def connected() -> bool:
    """Whether this process has joined others.

    It asks JAX's public interface, since a single process asks too.
    """
    return jax.distributed.is_initialized()


def process_id() -> int:
    """The number of this process, from 0."""
    return _state().process_id


def num_processes() -> int:
    """How many processes this one was told of."""
    return _state().num_processes


def coordinator_address() -> str | None:
    """host:port of process 0, once it is known."""
    return _state().coordinator_address


def put(key: str, text: str, *, overwrite: bool = False) -> None:
    """Stores `text` for all processes; fails where the key is taken, unless `overwrite`."""
    _client().key_value_set(key, text, allow_overwrite=overwrite)


def get(key: str, milliseconds: int) -> str:
    """The text stored under `key`; waits for it that long."""
    return _client().blocking_key_value_get(key, milliseconds)


def texts_under(folder: str) -> list[str]:
    """The texts of all keys `folder`/..., [] where there are none."""
    return [text for _, text in _client().key_value_dir_get(folder)]


def barrier(name: str, milliseconds: int) -> None:
    """Returns once every process has come to the barrier of that name."""
    _client().wait_at_barrier(name, milliseconds)
