"""What stands around a run: its workdir, the lock on it, signals that ask it to stop."""

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

# What may change between two sittings of one run: where things lie, how often they are written, and how long the run is.
RESUMABLE = (
    "data.data_dir", "data.threads", "data.prefetch", "data.resident", "data.resident_mib", "data.eval_batch_size",
    "sharding.data", "sharding.model", "sharding.fsdp", "sharding.model_parallel_linear",
    "optim.epochs", "optim.steps", "eval_every", "log_every", "checkpoint_every", "checkpoint_seconds", "keep",
    "steps_per_dispatch", "tensorboard", "deterministic", "stall_seconds",
)  # fmt: skip


def open_workdir(workdir: str | os.PathLike) -> pathlib.Path:
    """Creates `workdir`, or raises RunError where it cannot be written."""
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
    """Raises RunError where the disk of `path` has less than `need_mib` MiB left, counting what the run's checkpoints there take already."""
    held = sum(file.stat().st_size for file in (path / "checkpoints").rglob("*") if file.is_file())
    free = (shutil.disk_usage(path).free + held) / 2**20
    if free < need_mib:
        raise RunError(
            f"the disk of {path} has {free:.0f} MiB left and this run's checkpoints need about {need_mib:.0f}; "
            "free some or choose another --workdir"
        )


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Holds the workdir for this process; raises RunError where another run holds it. The lock goes with the process, however it ends."""
    with (workdir / ".lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            raise RunError(
                f"another run (process {owner}) is writing to {workdir}; wait for it or choose another --workdir"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def check_config(workdir: pathlib.Path, config: schema.Config) -> dict[str, tuple]:
    """The harmless differences {field: (old, new)} between `config` and that of the run in `workdir`, if there is one.

    Raises RunError naming those differences that would make it another run.
    """
    path = workdir / "config.json"
    if not path.is_file():
        return {}
    try:
        text = json.loads(path.read_text())
        if not isinstance(text, dict):
            raise ValueError
        stored = values.to_dict(values.from_dict(text))  # fields that are newer take their default
        changed = values.differences(stored, values.to_dict(config))
    except ConfigError as error:
        raise RunError(
            f"{path} is of another version of jaxcnn: {error}; choose another --workdir"
        ) from None
    except ValueError:
        raise RunError(
            f"{path} is not readable JSON; restore it, or start in another --workdir"
        ) from None
    refused = {name: pair for name, pair in changed.items() if name not in RESUMABLE}
    if refused:
        listed = "; ".join(
            f"{name} was {old!r}, now {now!r}" for name, (old, now) in refused.items()
        )
        raise RunError(
            f"{workdir} holds a run with another configuration ({listed}); set it back or choose another --workdir"
        )
    return changed


def write_config(workdir: pathlib.Path, config: schema.Config) -> None:
    """Writes the resolved config as `config.json`."""
    partial = workdir / "config.json.partial"
    partial.write_text(json.dumps(values.to_dict(config), indent=2))
    partial.replace(workdir / "config.json")
