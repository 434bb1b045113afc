"""Decides whether several processes are meant, and which of them this one is.

Flags say so, or the environment of Slurm, Open MPI, Kubernetes or a Cloud TPU slice.
"""

import dataclasses
import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from jaxcnn.errors import StartError

# How long the processes wait for each other at the start.
START_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Launch:
    """What the command line says of this process; None where it leaves that to the environment."""

    coordinator_address: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    start_timeout: int = START_SECONDS


def plan(launch: Launch, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Returns the arguments for `jax.distributed.initialize`, or None for a single process.

    JAX's own detection fills in what is missing. Flags come first; `--num_processes=1` alone means
    a single process, whatever the environment says. Several processes are meant by a Slurm step or
    `mpirun` of more than one task, by an indexed Kubernetes job, and by the hosts of a Cloud TPU
    slice. Raises StartError.
    """
    given = {
        "coordinator_address": launch.coordinator_address,
        "num_processes": launch.num_processes,
        "process_id": launch.process_id,
    }
    if launch.num_processes == 1 and launch.coordinator_address is None and not launch.process_id:
        return None
    if any(value is not None for value in given.values()):
        return _checked(given)
    tasks = _count(environment, "SLURM_STEP_NUM_TASKS", _count(environment, "SLURM_NTASKS", 1))
    if tasks > 1:
        if "SLURM_STEP_NODELIST" not in environment:
            raise StartError(
                f"Slurm gave {tasks} tasks, but this is not one of them; "
                "start it with srun, or alone with --num_processes=1"
            )
        return {"num_processes": tasks, "cluster_detection_method": "slurm"}
    if _count(environment, "OMPI_COMM_WORLD_SIZE", 1) > 1:
        return {"cluster_detection_method": "ompi"}
    hosts = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES", "")
    if "," in hosts:
        return {}
    if "JOB_COMPLETION_INDEX" in environment:
        return _kubernetes(environment)
    return {} if _on_tpu_vm(environment) else None


def _on_tpu_vm(environment: Mapping[str, str]) -> bool:
    """Whether this is a Cloud TPU VM, whose metadata server says how many hosts there are.

    `import jax` sets the first variable where it finds chips and libtpu, and the second where it
    finds none.
    """
    return (
        "TPU_ML_PLATFORM" in environment
        and "TPU_SKIP_MDS_QUERY" not in environment
        and "TPU_WORKER_HOSTNAMES" not in environment
    )


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    """Reads a whole number from the environment, `default` where it is unset or empty.

    Raises StartError where it is anything else.
    """
    text = environment.get(name) or str(default)
    if not text.isdecimal():
        raise StartError(
            f"the environment variable {name} is {text!r}; "
            "it must be a whole number, or unset for a single process"
        )
    return int(text)


def _kubernetes(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """The arguments in a pod of an indexed job.

    They come from the variables that scripts/jobset.yaml sets, else from Kubernetes, which needs
    its package and rights.
    """
    if "JAX_NUM_PROCESSES" in environment:
        given = {
            "coordinator_address": environment.get("JAX_COORDINATOR_ADDRESS"),
            "num_processes": _count(environment, "JAX_NUM_PROCESSES", 1),
            "process_id": _count(environment, "JOB_COMPLETION_INDEX", 0),
        }
        if given["num_processes"] == 1:
            return None
        return _checked(given, "JAX_COORDINATOR_ADDRESS of the pod")
    if "KUBERNETES_SERVICE_HOST" in environment and importlib.util.find_spec("kubernetes"):
        return {"cluster_detection_method": "k8s"}
    raise StartError(
        "this is a pod of an indexed Kubernetes job; set JAX_COORDINATOR_ADDRESS=host:port and "
        "JAX_NUM_PROCESSES in it, as scripts/jobset.yaml does, or install the package kubernetes; "
        "--num_processes=1 runs it alone"
    )


def _checked(given: dict[str, Any], where: str = "--coordinator_address") -> dict[str, Any]:
    """The three values as arguments for JAX; `where` says in errors where the address came from."""
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if missing:
        raise StartError(
            f"{' and '.join(missing)} missing; "
            "give --coordinator_address, --num_processes and --process_id, or none of them"
        )
    address, count, number = given.values()
    if not re.fullmatch(r".+:\d+", address):
        raise StartError(
            f"{where} is {address!r}; "
            "it must read host:port, with a free port of the host of process 0"
        )
    if not 0 <= number < count:
        raise StartError(
            f"--process_id is {number} and --num_processes {count}; "
            f"processes count from 0 to {count - 1}"
        )
    return given | {"cluster_detection_method": "deactivate"}
