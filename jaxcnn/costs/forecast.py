"""What a compiled step will cost on a device, gathered from its text and its memory statistics."""

import collections
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxcnn.costs import traffic
from jaxcnn.costs.bounds import Bounds, bounds
from jaxcnn.costs.collectives import Collective, read, totals
from jaxcnn.costs.devices import Slice
from jaxcnn.costs.hlo import Program, parse
from jaxcnn.costs.layers import BACKWARD, FORWARD, UPDATE
from jaxcnn.costs.products import Product, products

MIB = 2**20


@dataclass(frozen=True)
class Memory:
    """Bytes that a step takes on one device while it runs."""

    state: int  # parameters, statistics and optimizer, which the step overwrites
    batch: int  # and whatever else it is given
    activations: int  # written by the forward pass and read by the backward pass
    temporary: int  # at the same time, at most
    results: int  # that do not take the place of the state
    program: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(vars(self).values())


@dataclass(frozen=True)
class Layer:
    """What one layer moves in one step on one device, in bytes."""

    name: str
    forward: int
    backward: int
    update: int
    read: int
    written: int
    conversions: int  # by instructions that only convert numbers
    copies: int  # by instructions that only copy an array into another layout
    cycles: int

    @property
    def bytes(self) -> int:
        """Read and written together."""
        return self.read + self.written


@dataclass(frozen=True)
class Forecast:
    """A step compiled for one device of a slice; `images` are those of one device."""

    slice: Slice
    images: int
    memory: Memory
    moves: list[traffic.Move]
    products: list[Product]
    collectives: list[Collective]

    @property
    def fits(self) -> bool:
        """Whether the device's usable memory holds it."""
        return self.memory.total <= self.slice.device.usable

    @cached_property
    def bytes(self) -> int:
        """What it reads from and writes to the device's memory."""
        return sum(move.bytes for move in self.moves)

    @cached_property
    def macs(self) -> int:
        """Its multiply-adds."""
        return sum(product.macs for product in self.products)

    @cached_property
    def cycles(self) -> int:
        """What a TPU's compiler estimates, 0 elsewhere; of use to compare two forms of one step."""
        return sum(move.cycles for move in self.moves)

    @cached_property
    def bounds(self) -> Bounds:
        """The least seconds that it takes."""
        return bounds(
            self.slice.device,
            self.slice.shape,
            products=self.products,
            traffic=self.bytes,
            collectives=self.collectives,
        )

    @cached_property
    def layers(self) -> list[Layer]:
        """All layers, the one that moves most first."""
        groups: dict[str, list[traffic.Move]] = collections.defaultdict(list)
        for move in self.moves:
            groups[move.place.layer].append(move)
        return sorted(map(_layer, groups.values()), key=lambda layer: -layer.bytes)

    def row(self) -> dict[str, Any]:
        """Its figures as JSON takes them: those of one step on one device."""
        memory, limits = self.memory, self.bounds
        row = {
            "fits": self.fits,
            "memory_mib": round(memory.total / MIB, 1),
            "usable_mib": round(self.slice.device.usable / MIB, 1),
            **{f"{name}_mib": round(size / MIB, 1) for name, size in vars(memory).items()},
            "macs": self.macs,
            "bytes": self.bytes,
            "bytes_per_image": round(self.bytes / self.images),
            "conversion_bytes": sum(layer.conversions for layer in self.layers),
            "copy_bytes": sum(layer.copies for layer in self.layers),
            "cycles": self.cycles,
            "arithmetic_ms": round(limits.arithmetic * 1e3, 3),
            "traffic_ms": round(limits.traffic * 1e3, 3),
            "links_ms": round(limits.links * 1e3, 3),
            "bound_ms": round(limits.seconds * 1e3, 3),
            "bound_by": limits.by,
            "bound_img_s": round(self.images / limits.seconds, 1) if limits.seconds else None,
        }
        for kind, sums in totals(self.collectives).items():
            column = kind.replace("-", "_")
            row |= {column: sums["count"], f"{column}_bytes": sums["bytes"]}
        return row


def forecast(text: str | None, statistics: Any, slice_: Slice, images: int) -> Forecast:
    """The forecast of a compiled text and its `compiled.memory_analysis()`.

    `images` are those that one device takes in a step.
    """
    program = parse(text)
    return Forecast(
        slice=slice_,
        images=images,
        memory=_memory(program, statistics),
        moves=traffic.moves(program),
        products=products(program),
        collectives=read(text),
    )


def _memory(program: Program, statistics: Any) -> Memory:
    given = statistics.argument_size_in_bytes
    state = sum(
        array.bytes
        for parameter in program.entry.parameters
        if parameter.op_name.startswith(("state.", "variables["))
        for array in parameter.result
    )
    temporary = statistics.temp_size_in_bytes
    kept = min(traffic.kept(program), temporary)
    return Memory(
        state=min(state, given),
        batch=max(given - state, 0),
        activations=kept,
        temporary=temporary - kept,
        results=statistics.output_size_in_bytes - statistics.alias_size_in_bytes,
        program=statistics.generated_code_size_in_bytes,
    )


def _layer(moves: list[traffic.Move]) -> Layer:
    by_pass = collections.Counter()
    by_kind = collections.Counter()
    for move in moves:
        by_pass[move.place.direction] += move.bytes
        by_kind[move.kind] += move.bytes
    return Layer(
        name=moves[0].place.layer,
        forward=by_pass[FORWARD],
        backward=by_pass[BACKWARD],
        update=by_pass[UPDATE],
        read=sum(move.read for move in moves),
        written=sum(move.written for move in moves),
        conversions=by_kind[traffic.CONVERSION],
        copies=by_kind[traffic.COPY],
        cycles=sum(move.cycles for move in moves),
    )
