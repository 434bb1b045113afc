"""How well a run uses its machine: operations against the devices' peak, device memory."""

from collections.abc import Sequence
from typing import Any

import jax

from jaxcnn.costs.summary import forward_macs
from jaxcnn.train.setup import Setup

# Dense bfloat16 peaks of one JAX device, by the beginning of its kind; a TPU v2 or v3 chip is two
# devices.
PEAK_FLOPS = {
    "NVIDIA H200": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA A100": 312e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L40": 181e12,
    "NVIDIA L4": 121e12,
    "TPU v6 lite": 918e12,
    "TPU v5p": 459e12,
    "TPU v5 lite": 197e12,
    "TPU v5": 459e12,
    "TPU v4": 275e12,
    "TPU v3": 61.5e12,
}


def peak_flops(devices: Sequence[Any]) -> float | None:
    """The devices' peak in floating point operations a second, together.

    None where it is not known (a CPU, say).
    """
    kind = devices[0].device_kind
    each = next((peak for name, peak in PEAK_FLOPS.items() if kind.startswith(name)), None)
    return each * len(devices) if each else None


def step_flops(setup: Setup) -> float:
    """Floating point operations of one training step over all devices.

    Two for each multiply-add of convolutions and linear layers, forward and, for the gradients of
    inputs and kernels, twice that backward. Auxiliary heads and what is no product are left out.
    Counted from the network, since JAX does not tell what an uncompiled step costs on GPUs and
    TPUs.
    """
    macs = forward_macs(setup.model, setup.splits.preprocess.shape)
    return 3.0 * 2 * macs * setup.config.data.batch_size


def ideal_seconds(setup: Setup) -> float:
    """How long a training step would take at the devices' bfloat16 peak.

    Over the time that it took, this is its MFU. 0 where no peak is known.
    """
    peak = peak_flops(list(setup.mesh.devices.flat))
    return step_flops(setup) / peak if peak else 0.0


def device_memory_mib() -> float | None:
    """The most that this process's first device has held; None where the platform says nothing."""
    stats = jax.local_devices()[0].memory_stats()
    if not stats or "peak_bytes_in_use" not in stats:
        return None
    return round(stats["peak_bytes_in_use"] / 2**20, 1)
