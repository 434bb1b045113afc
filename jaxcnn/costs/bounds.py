"""The least time that a step can take on a device: by arithmetic, memory traffic and links."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from jaxcnn.costs.collectives import Collective
from jaxcnn.costs.devices import Device
from jaxcnn.costs.products import Product


class Bounds(NamedTuple):
    """Seconds for each resource alone; they work side by side, so no step is below the largest.

    They are bounds of the compiled program as it stands, at published peaks. What stays in a GPU's
    cache makes its traffic smaller than the program asks for.
    """

    arithmetic: float
    traffic: float
    links: float

    @property
    def seconds(self) -> float:
        """The largest of them."""
        return max(self)

    @property
    def by(self) -> str:
        """The resource that it belongs to."""
        return max(self._fields, key=lambda name: getattr(self, name))


def bounds(
    device: Device,
    shape: Sequence[int],
    *,
    products: Iterable[Product],
    traffic: int,
    collectives: Iterable[Collective],
) -> Bounds:
    """The bounds of a program with these products, bytes of traffic and collectives on a device.

    `shape` is that of the slice that the device belongs to: the sides of its torus, or how many
    devices a switch joins. Types without a published peak count as float32.
    """
    peak = device.peak
    return Bounds(
        arithmetic=sum(2 * p.macs / peak.get(p.dtype, peak["f32"]) for p in products),
        traffic=traffic / device.bandwidth,
        links=sum(sent(collective) for collective in collectives) / link_rate(device, shape),
    )


def sent(collective: Collective) -> float:
    """Bytes that a device must send at least.

    Of n devices each sends n - 1 of n parts of the array; an all-reduce does so twice, once to add
    and once to spread the sums. A permute sends the array.
    """
    n = collective.devices
    if collective.kind == "collective-permute":
        return collective.bytes
    rounds = 2 if collective.kind == "all-reduce" else 1
    return rounds * collective.bytes * (n - 1) / n


def link_rate(device: Device, shape: Sequence[int]) -> float:
    """Bytes a second that a device can send to the others of its slice.

    Of a torus with `axes` axes a device has two links along each. It has one neighbour along an
    axis of length 2 and none along one of length 1. Longer axes count as closed rings, which those
    of small slices are not.
    """
    if math.prod(shape) == 1 or not device.axes:
        return device.links
    used = sum(min(length - 1, 2) for length in shape)
    return device.links * used / (2 * device.axes)
