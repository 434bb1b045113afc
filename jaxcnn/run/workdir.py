"""Checks, locks and records the working directory of a run."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import socket
from collections.abc import Iterator

from jaxcnn.config import schema, values
from jaxcnn.errors import ConfigError, RunError
from jaxcnn.files import replace_text, writing

# What may change between two sittings of one run: where things lie, how often they are written, and
# how long the run is. fmt: off
RESUMABLE = (
    "data.data_dir",
    "data.threads",
    "data.prefetch",
    "data.resident",
    "data.resident_mib",
    "data.eval_batch_size",
    "sharding.data",
    "sharding.model",
    "sharding.fsdp",
    "sharding.model_parallel_linear",
    "sharding.float32_sums",
    "optim.epochs",
    "optim.steps",
    "eval_every",
    "log_every",
    "checkpoint_every",
    "checkpoint_seconds",
    "keep",
    "steps_per_dispatch",
    "tensorboard",
    "deterministic",
    "stall_seconds",
)
# fmt: on


def open_workdir(workdir: str | os.PathLike) -> pathlib.Path:
    """Creates `workdir`, returns its absolute path; raises RunError where it cannot be written."""
    path = pathlib.Path(workdir).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{socket.gethostname()}-{os.getpid()}"
        probe.write_text("writable")
        probe.unlink()
    except OSError as error:
        raise RunError(
            f"the workdir {path} cannot be written: {error.strerror}; choose another with --workdir"
        ) from None
    return path


def check_space(path: pathlib.Path, need_mib: float) -> None:
    """Raises RunError where the disk of `path` has less than `need_mib` MiB left.

    What the run's checkpoints there take already counts as free.
    """
    files = (path / "checkpoints").rglob("*")
    held = sum(file.stat().st_size for file in files if file.is_file())
    free = (shutil.disk_usage(path).free + held) / 2**20
    if free < need_mib:
        raise RunError(
            f"the disk of {path} has {free:.0f} MiB left and this run's checkpoints need about "
            f"{need_mib:.0f}; free some or choose another --workdir"
        )


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Holds the workdir for this process; raises RunError where another run holds it.

    The lock goes with the process, however it ends.
    """
    with writing(workdir):
        handle = (workdir / ".lock").open("a+")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            raise RunError(
                f"another run (process {owner}) is writing to {workdir}; "
                "wait for it or choose another --workdir"
            ) from None
        with writing(workdir):
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
        yield


def check_config(workdir: pathlib.Path, config: schema.Config) -> dict[str, tuple]:
    """Compares `config` with that of the run in `workdir`.

    Returns the harmless differences {field: (old, new)}, {} where there is no run. Raises
    ConfigError naming those differences that would make it another run: no restart mends them.
    """
    path = workdir / "config.json"
    if not path.is_file():
        return {}
    changed = values.differences(_stored_config(path), values.to_dict(config))
    refused = {name: pair for name, pair in changed.items() if name not in RESUMABLE}
    if refused:
        listed = "; ".join(
            f"{name} was {old!r}, now {new!r}" for name, (old, new) in refused.items()
        )
        raise ConfigError(
            f"{workdir} holds a run with another configuration ({listed}); "
            "set it back or choose another --workdir"
        )
    return changed


def _stored_config(path: pathlib.Path) -> dict:
    """Reads the config in the file `path`; fields that are newer than it have their default.

    Raises RunError where it does not read, ConfigError where it has fields that are unknown here.
    """
    unreadable = RunError(f"{path} is not readable JSON; restore it, or start in another --workdir")
    try:
        stored = json.loads(path.read_text())
    except ValueError:
        raise unreadable from None
    if not isinstance(stored, dict):
        raise unreadable
    try:
        return values.to_dict(values.from_dict(stored))
    except ConfigError as error:
        raise ConfigError(
            f"{path} is of another version of jaxcnn: {error}; choose another --workdir"
        ) from None


def write_config(workdir: pathlib.Path, config: schema.Config) -> None:
    """Writes the resolved config as `config.json`; raises WriteError where the disk fails."""
    replace_text(workdir / "config.json", json.dumps(values.to_dict(config), indent=2))
