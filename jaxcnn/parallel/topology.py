"""Devices that this machine does not have, described so that JAX can compile for them.

JAX's compilers for TPUs (libtpu) and NVIDIA GPUs (its CUDA packages) work without the hardware.
What they are given is a topology: a slice of TPU chips, or GPUs of one machine and their figures.
"""

import importlib.util
import os
from typing import Any

import jax

from jaxcnn.errors import UsageError, one_line

# What libtpu asks the environment of a TPU machine, and complains about where there is none. The
# last lets several processes use it, which is forbidden where they would share chips.
ENVIRONMENT = {
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def tpu_devices(kind: str, shape: tuple[int, ...]) -> list[Any]:
    """The chips of a slice of `shape` of TPUs of `kind` ("v5e", ...), described.

    Raises UsageError where libtpu is not installed, or has no such slice.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise UsageError(
            f"a rehearsal on TPU {kind} needs libtpu, which is not installed; "
            "install it with: pip install 'jax[tpu]'"
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    hosts = tuple(min(2, side) for side in (*shape, 1, 1)[:3])
    given: dict[str, Any] = {"chips_per_host_bounds": hosts, "num_slices": 1}
    if kind == "v4":
        given["chip_config_name"] = "megacore"
    name = f"{kind}:{'x'.join(map(str, shape))}"
    return list(_topology("tpu", name, name, **given).devices)


def gpu_devices(kind: str, count: int, target: str) -> list[Any]:
    """`count` GPUs of one machine; `target` is XLA's description of one, as text.

    Raises UsageError where JAX's CUDA packages are not installed.
    """
    plugins = [f"jax_cuda{major}_plugin" for major in (13, 12)]
    if not any(map(importlib.util.find_spec, plugins)):
        raise UsageError(
            f"a rehearsal on {kind} needs JAX's CUDA packages, which are not installed; "
            "install them with: pip install 'jax[cuda13]'"
        )
    given = {"topology": f"1x1x{count}", "target_config": target}
    return list(_topology("cuda", f"{kind}:{count}", kind, **given).devices)


def _topology(platform: str, named: str, name: str, **given: Any) -> Any:
    from jax.experimental import topologies

    try:
        return topologies.get_topology_desc(platform=platform, topology_name=name, **given)
    except (jax.errors.JaxRuntimeError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"the compiler has no target {named} ({one_line(error)}); "
            "give a slice that exists, such as v5e:2x2, v4:2x2x2, v5p:2x2x1, v6e:2x4, or h100:8"
        ) from None
