"""How well a run uses its machine: productive time over all sittings, operations against the devices' peak, device memory."""

import jax

from jaxcnn.costs.summary import summarize
from jaxcnn.train.setup import Parts

# Dense bfloat16 peaks of one JAX device, by the beginning of its kind; a TPU v2 or v3 chip is two devices.
PEAK_FLOPS = {
    "NVIDIA H200": 989e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA H100": 989e12, "NVIDIA A100": 312e12,
    "NVIDIA L40S": 362e12, "NVIDIA L40": 181e12, "NVIDIA L4": 121e12,
    "TPU v6 lite": 918e12, "TPU v5p": 459e12, "TPU v5 lite": 197e12, "TPU v5": 459e12, "TPU v4": 275e12, "TPU v3": 61.5e12,
}  # fmt: skip


def peak_flops(devices: list) -> float | None:
    """The devices' peak in floating point operations a second, together; None where it is not known (a CPU, say)."""
    kind = devices[0].device_kind
    each = next((peak for name, peak in PEAK_FLOPS.items() if kind.startswith(name)), None)
    return each * len(devices) if each else None


def step_flops(parts: Parts) -> float:
    """Floating point operations of one training step over all devices: two for each multiply-add of convolutions and linear layers,
    forward and, for the gradients of inputs and kernels, twice that backward. Auxiliary heads and what is no product are left out.

    Counted from the network, since JAX does not tell what an uncompiled step costs on GPUs and TPUs.
    """
    size = parts.preprocess.image_size
    fields = parts.model_args | {"input_shape": (size, size, parts.preprocess.channels)}
    return 3.0 * 2 * summarize(parts.config.model, **fields).macs * parts.config.data.batch_size


def ideal_seconds(parts: Parts) -> float:
    """How long a training step would take at the devices' bfloat16 peak: over the time it took, its MFU. 0 where no peak is known."""
    peak = peak_flops(jax.devices())
    return step_flops(parts) / peak if peak else 0.0


def device_memory_mib() -> float | None:
    """The most that this process's first device has held, in MiB; None where the platform does not say."""
    stats = jax.local_devices()[0].memory_stats()
    return (
        round(stats["peak_bytes_in_use"] / 2**20, 1)
        if stats and "peak_bytes_in_use" in stats
        else None
    )
