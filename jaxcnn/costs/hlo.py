"""Reads the text of a compiled program (`compiled.as_text()`): computations, instructions, arrays.

XLA writes one instruction a line, `%name = shape opcode(%operand, ...), attribute=...`, and groups
them into computations. A computation that is called stands before its caller; the program's own is
marked ENTRY. Operands are names alone: their shapes stand where they are defined.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

# bits of one number; the remaining types say their size in their name
BITS = {"pred": 8, "token": 0, "opaque": 0, "c64": 64, "c128": 128}
ARRAY = re.compile(
    r"\b(?P<dtype>[a-z]+\d*(?:e\d+m\d+\w*)?)\[(?P<shape>[\d,<=]*)\](?:\{(?P<layout>[^{}]*)\})?"
)
TILE = re.compile(r":T\((?P<sizes>[\d,]+)\)")
SPACE = re.compile(r"S\((\d+)\)")
HEAD = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) \(.*\) -> .* \{$")
LINE = re.compile(r"^\s+(?P<root>ROOT )?%?(?P<name>[\w.\-]+) = (?P<rest>.*)$")
OPCODE = re.compile(r"\s*(?P<opcode>[\w\-]+)\(")
NAMES = re.compile(r"%([\w.\-]+)")
CALLED = re.compile(
    r"\b(calls|body|condition|to_apply|branch_computations)=\{?(%[\w.\-]+(?:, ?%[\w.\-]+)*)"
)


@dataclass(frozen=True)
class Array:
    """One array: its type, shape, layout, and the memory that it lies in."""

    dtype: str
    shape: tuple[int, ...]
    tile: tuple[int, ...] = ()  # of the innermost axes, which are padded to whole tiles
    order: tuple[int, ...] = ()  # axes from the innermost to the outermost
    space: int = 0  # 0 is the device's main memory; on TPUs others are on the chip

    @property
    def elements(self) -> int:
        """Numbers in it, without padding."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """What it takes in memory, with the padding of its tiles."""
        sizes = [self.shape[axis] for axis in self.order] if self.order else []
        if not sizes:
            return self.elements * bits(self.dtype) // 8
        for axis, tile in enumerate(reversed(self.tile)):
            if axis < len(sizes):
                sizes[axis] = -(-sizes[axis] // tile) * tile
        return math.prod(sizes) * bits(self.dtype) // 8


def bits(dtype: str) -> int:
    """The bits of one number of XLA's type `dtype`."""
    if dtype in BITS:
        return BITS[dtype]
    size = re.search(r"\d+", dtype)
    return int(size[0]) if size else 0


def arrays(text: str) -> tuple[Array, ...]:
    """The arrays in a shape as XLA writes it: one, or those of a tuple."""
    return tuple(map(_array, ARRAY.finditer(text)))


def _array(found: re.Match) -> Array:
    shape = tuple(int(size.removeprefix("<=")) for size in found["shape"].split(",") if size)
    layout = found["layout"] or ""
    order, tile, space = layout.split(":")[0], TILE.search(layout), SPACE.search(layout)
    return Array(
        dtype=found["dtype"],
        shape=shape,
        order=tuple(int(axis) for axis in order.split(",") if axis),
        tile=tuple(int(size) for size in tile["sizes"].split(",")) if tile else (),
        space=int(space[1]) if space else 0,
    )


@dataclass(frozen=True)
class Instruction:
    """One instruction; `attributes` is the text behind its operands."""

    name: str
    opcode: str
    result: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str
    root: bool = False

    @cached_property
    def op_name(self) -> str:
        """The traced operation that it comes from, "" where XLA made it up."""
        found = re.search(r'op_name="((?:[^"\\]|\\.)*)"', self.attributes)
        return found[1] if found else ""

    @cached_property
    def called(self) -> dict[str, tuple[str, ...]]:
        """The computations that it calls, by the attribute that names them."""
        pairs = CALLED.findall(self.attributes)
        return {key: tuple(NAMES.findall(names)) for key, names in pairs}

    @property
    def cycles(self) -> int:
        """What a TPU's compiler estimates for it; 0 where it says nothing."""
        found = re.search(r'"estimated_cycles":"(\d+)"', self.attributes)
        return int(found[1]) if found else 0

    @property
    def trips(self) -> int:
        """How often the body of a loop runs; 1 where the compiler does not know."""
        found = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', self.attributes)
        return int(found[1]) if found else 1

    def attribute(self, name: str) -> str:
        """The text of `name=TEXT` or `name={TEXT}`, "" where there is none."""
        pattern = rf"\b{name}=(?:\{{([^{{}}]*)\}}|\"([^\"]*)\"|([^,\s]+))"
        found = re.search(pattern, self.attributes)
        return next((text for text in found.groups() if text is not None), "") if found else ""


@dataclass(frozen=True)
class Computation:
    """Instructions in their order, by name; in a compiled program that is when they run."""

    name: str
    instructions: dict[str, Instruction] = field(default_factory=dict)

    @property
    def root(self) -> Instruction:
        """The instruction whose result is that of the computation."""
        return next(i for i in self.instructions.values() if i.root)

    @cached_property
    def parameters(self) -> list[Instruction]:
        """Its parameters, by number."""
        found = [i for i in self.instructions.values() if i.opcode == "parameter"]
        return sorted(found, key=lambda i: int(i.operands[0]))

    @cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """The instructions that read each one's result."""
        users: dict[str, list[Instruction]] = {name: [] for name in self.instructions}
        for instruction in self.instructions.values():
            for name in dict.fromkeys(instruction.operands):
                if name in users:
                    users[name].append(instruction)
        return users

    def result(self, name: str) -> tuple[Array, ...]:
        """The arrays of an operand; none for what is no instruction's name."""
        found = self.instructions.get(name)
        return found.result if found else ()


@dataclass(frozen=True)
class Program:
    """A compiled program."""

    entry: Computation
    computations: dict[str, Computation]

    def executed(self) -> Iterator[tuple[Computation, Instruction, int]]:
        """What the device runs one after another: (computation, instruction, how often).

        Loops, branches and calls are entered, fusions are not. Of a conditional every branch
        counts.
        """
        yield from self._run(self.entry, 1)

    def _run(
        self, computation: Computation, times: int
    ) -> Iterator[tuple[Computation, Instruction, int]]:
        for instruction in computation.instructions.values():
            inner = [self.computations[name] for name in _entered(instruction)]
            if not inner:
                yield computation, instruction, times
            for called in inner:
                yield from self._run(called, times * instruction.trips)

    def within(self, instruction: Instruction) -> Iterator[tuple[Computation, Instruction]]:
        """All instructions that a fusion, or whatever calls computations, consists of."""
        for names in instruction.called.values():
            for name in names:
                computation = self.computations[name]
                for inner in computation.instructions.values():
                    yield computation, inner
                    yield from self.within(inner)


def _entered(instruction: Instruction) -> tuple[str, ...]:
    """The computations that run as if they stood in the instruction's place."""
    called = instruction.called
    if instruction.opcode == "while":
        return called.get("condition", ()) + called.get("body", ())
    if instruction.opcode in ("conditional", "async-start"):
        return called.get("branch_computations", ()) + called.get("calls", ())
    return called.get("to_apply", ()) if instruction.opcode == "call" else ()


def parse(text: str | None) -> Program:
    """The program in a compiled text. Raises ValueError where the text has no ENTRY."""
    computations: dict[str, Computation] = {}
    entry = current = None
    for line in (text or "").splitlines():
        head = HEAD.match(line)
        if head:
            current = Computation(head["name"])
            computations[current.name] = current
            entry = current if head["entry"] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None:
            instruction = _instruction(line)
            if instruction:
                current.instructions[instruction.name] = instruction
    if entry is None:
        raise ValueError("the compiled text has no ENTRY computation to read")
    return Program(entry, computations)


def _instruction(line: str) -> Instruction | None:
    found = LINE.match(line)
    if found is None:
        return None
    rest = found["rest"]
    end = _closing(rest) if rest.startswith("(") else rest.index(" ")
    opcode = OPCODE.match(rest, end)
    if opcode is None:
        return None
    close = _closing(rest, opcode.end() - 1)
    inside = rest[opcode.end() : close - 1]
    names = tuple(NAMES.findall(inside))
    return Instruction(
        name=found["name"],
        opcode=opcode["opcode"],
        result=arrays(rest[:end]),
        operands=(inside,) if opcode["opcode"] == "parameter" else names,
        attributes=rest[close:],
        root=bool(found["root"]),
    )


def _closing(text: str, start: int = 0) -> int:
    """The place behind the bracket that closes the one at `start`."""
    depth = 0
    for bracket in re.finditer(r"[()]", text[start:]):
        depth += 1 if bracket[0] == "(" else -1
        if depth == 0:
            return start + bracket.end()
    return len(text)
