"""Accelerators that a step can be compiled for: what their makers publish about one device.

A device is what JAX calls one: a GPU, or a TPU chip (of v4 and v5p both cores together). Peaks are
of dense products. Bandwidths of links are in one direction, all links of a device together.
"""

import math
import re
from typing import NamedTuple

from jaxcnn.errors import UsageError, did_you_mean

GIB = 2**30


class Device(NamedTuple):
    """The published figures of one device; bytes, bytes a second, operations a second."""

    name: str
    platform: str  # "tpu" or "gpu"
    memory: float
    usable: float  # of the memory, by a program
    bandwidth: float  # of the memory
    # Of products by the type of what is multiplied. A TPU multiplies float32 as bfloat16 and an
    # NVIDIA GPU as TensorFloat-32, unless `jax_default_matmul_precision` asks for more.
    peak: dict[str, float]
    links: float  # to other devices, in one direction
    axes: int  # of its torus; 0 where a switch joins all devices of a machine
    source: str


def _tpu(name: str, tflops: float, gib: tuple[float, float], gb_s: float, links: float, axes: int):
    """A TPU chip, from the page that Google has on it; `gib` is its memory, and what is usable."""
    return Device(
        name=f"TPU {name}",
        platform="tpu",
        memory=gib[0] * GIB,
        usable=gib[1] * GIB,
        bandwidth=gb_s * 1e9,
        peak={"bf16": tflops * 1e12, "f32": tflops * 1e12},
        links=links * 1e9,
        axes=axes,
        source=f"docs.cloud.google.com/tpu/docs/{name}",
    )


def _gpu(name: str, bf16: float, tf32: float, memory: int, gb_s: float, links: float):
    """A GPU, from its file in openxla/xla and NVIDIA's data sheet."""
    return Device(
        name=name,
        platform="gpu",
        memory=memory,
        usable=memory * GPU_SHARE,
        bandwidth=gb_s * 1e9,
        peak={"bf16": bf16 * 1e12, "f32": tf32 * 1e12},
        links=links * 1e9,
        axes=0,
        source="openxla/xla, xla/backends/gpu/target_config/specs; NVIDIA's data sheet",
    )


# JAX's default share of a GPU's memory; XLA_PYTHON_CLIENT_MEM_FRACTION sets another.
GPU_SHARE = 0.75
# Usable memory of a TPU: what libtpu 0.0.42 names when a program does not fit. Links of a TPU: half
# of the two-way bandwidth that Google states for a chip; of v4 the six links of 50 GB/s of Jouppi
# et al., "TPU v4", ISCA 2023. Links of a GPU: half of NVLink's two-way bandwidth.
DEVICES = {
    "v4": _tpu("v4", 275, (32, 30.75), 1200, 300, 3),
    "v5e": _tpu("v5e", 197, (16, 15.75), 819, 200, 2),
    "v5p": _tpu("v5p", 459, (95.74, 95.74), 2765, 600, 3),
    "v6e": _tpu("v6e", 918, (32, 31.25), 1638, 400, 2),
    "a100": _gpu("A100 SXM 80 GB", 312, 156, 85100068864, 2039.04, 300),
    "h100": _gpu("H100 SXM 80 GB", 989, 494, 84942979072, 3352.32, 450),
    "h200": _gpu("H200 SXM 141 GB", 989, 494, 151397597184, 4800, 450),
}


class Slice(NamedTuple):
    """Devices that are joined: the sides of a torus of TPU chips, or the GPUs of one machine."""

    kind: str  # a key of DEVICES
    shape: tuple[int, ...]

    @property
    def device(self) -> Device:
        """One of its devices."""
        return DEVICES[self.kind]

    @property
    def size(self) -> int:
        """How many devices it has."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.kind}:{'x'.join(map(str, self.shape))}"


def parse_slice(text: str) -> Slice:
    """The slice that "v5e:4x4", "v4:2x2x2" or "h100:8" names; a kind alone is one device of it.

    Raises UsageError for what is none.
    """
    kind, _, sides = text.partition(":")
    device = DEVICES.get(kind)
    if device is None:
        raise UsageError(
            f"there is no target {text!r}{did_you_mean(kind, DEVICES)}; give one of "
            f"{', '.join(DEVICES)} with a shape, such as v5e:4x4 or h100:8"
        )
    axes = device.axes or 1
    if not sides:
        return Slice(kind, (1,) * axes)
    if not re.fullmatch(rf"[1-9]\d*(x[1-9]\d*){{{axes - 1}}}", sides):
        example = "x".join("2" * axes) if device.axes else "8"
        raise UsageError(
            f"the target {text!r} has the shape {sides!r}; "
            f"{device.name} takes {axes} side{'s' if axes > 1 else ''}, such as {kind}:{example}"
        )
    return Slice(kind, tuple(map(int, sides.split("x"))))
