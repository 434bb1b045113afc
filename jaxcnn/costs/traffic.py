"""The memory traffic of a compiled program, instruction by instruction and layer by layer.

Every instruction that the device runs reads its operands from the device's main memory and writes
its results there; what lies inside a fusion, or in a TPU's memory on the chip, does not travel. A
cache of a GPU may save some of it, so this is the traffic that the program asks for.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from jaxcnn.costs.hlo import Array, Computation, Instruction, Program
from jaxcnn.costs.layers import FORWARD, Place, place

# They name or order arrays, and move nothing.
FREE = {
    "add-dependency", "after-all", "bitcast", "constant", "get-tuple-element", "iota",
    "opt-barrier", "parameter", "partition-id", "replica-id", "tuple",
}  # fmt: skip
# What a fusion may hold besides, and still be a conversion or a copy.
TRIVIAL = FREE | {"broadcast", "fusion", "reshape", "slice"}
COPIES = {"copy", "reverse", "transpose"}
SLICES = {"dynamic-slice", "gather", "slice"}
COMPUTED, CONVERSION, COPY = "computed", "conversion", "copy"


@dataclass(frozen=True)
class Move:
    """What one instruction moves, in bytes, over all its executions."""

    instruction: Instruction
    place: Place
    read: int
    written: int
    kind: str  # COMPUTED, CONVERSION or COPY
    cycles: int

    @property
    def bytes(self) -> int:
        """Read and written together."""
        return self.read + self.written


def moves(program: Program) -> list[Move]:
    """What every instruction moves that moves anything, in the order of the program."""
    found = []
    for computation, instruction, times in program.executed():
        if instruction.opcode in FREE or _ends(instruction):
            continue
        read = sum(_reads(program, computation, instruction))
        found.append(
            Move(
                instruction=instruction,
                place=place(computation, instruction),
                read=read * times,
                written=_writes(program, computation, instruction) * times,
                kind=_kind(program, instruction),
                cycles=instruction.cycles * times,
            )
        )
    return found


def _ends(instruction: Instruction) -> bool:
    """Whether it only waits for what another one has started."""
    return instruction.opcode.endswith(("-done", "-update"))


def _size(arrays: Iterable[Array]) -> int:
    """Bytes of those arrays that lie in the device's main memory."""
    return sum(array.bytes for array in arrays if array.space == 0)


def _reads(program: Program, computation: Computation, instruction: Instruction) -> list[int]:
    """Bytes that it reads of each operand."""
    names = dict.fromkeys(instruction.operands)
    if instruction.opcode in SLICES:
        return [min(_size(instruction.result), _size(computation.result(n))) for n in names]
    if instruction.opcode == "slice-start":  # from the main memory to the chip's
        return [instruction.result[1].bytes]
    if instruction.opcode == "dynamic-update-slice":
        return [_size(computation.result(n)) for n in instruction.operands[1:]]
    if instruction.opcode != "fusion":
        return [_size(computation.result(n)) for n in names]
    fused = program.computations[instruction.called["calls"][0]]
    sizes = dict.fromkeys(names, 0)
    for name, parameter in zip(instruction.operands, fused.parameters, strict=True):
        whole = _size(computation.result(name))
        sizes[name] = max(sizes[name], min(whole, _read_of(program, fused, parameter, whole)))
    return list(sizes.values())


def _read_of(program: Program, fused: Computation, parameter: Instruction, whole: int) -> int:
    """Bytes that a fusion reads of one parameter: of one that it only slices, the slices."""
    total = 0
    for user in fused.users[parameter.name]:
        if user.opcode in SLICES:
            total += sum(array.bytes for array in user.result)
        elif user.opcode == "dynamic-update-slice" and user.operands[0] == parameter.name:
            continue  # what is overwritten in place is not read
        elif user.opcode == "fusion":
            inner = program.computations[user.called["calls"][0]]
            places = [i for i, name in enumerate(user.operands) if name == parameter.name]
            total += sum(_read_of(program, inner, inner.parameters[i], whole) for i in places)
        else:
            return whole
    return total


def _writes(program: Program, computation: Computation, instruction: Instruction) -> int:
    """Bytes that it writes: of what it updates in place, the update."""
    if instruction.opcode.endswith("-start"):
        results = instruction.result
        if instruction.opcode == "copy-start":
            return _size(results[:1])  # then its source and a flag
        if instruction.opcode == "slice-start":
            return _size(results[1:2])
        if instruction.opcode == "all-reduce-start":
            return _size(results)
        return _size(results[len(results) // 2 :])  # its operands, then its results
    if instruction.opcode == "dynamic-update-slice":
        return _size(computation.result(instruction.operands[1]))
    if instruction.opcode == "fusion":
        fused = program.computations[instruction.called["calls"][0]]
        roots = _roots(fused)
        if len(roots) == len(instruction.result):
            pairs = zip(roots, instruction.result, strict=True)
            return sum(_written_by(fused, root, result) for root, result in pairs)
    return _size(instruction.result)


def _roots(fused: Computation) -> list[Instruction]:
    """The instructions whose results a fusion gives out."""
    root = fused.root
    if root.opcode != "tuple":
        return [root]
    return [fused.instructions[name] for name in root.operands]


def _written_by(fused: Computation, root: Instruction, result: Array) -> int:
    if root.opcode == "dynamic-update-slice" and result.space == 0:
        return sum(array.bytes for array in fused.result(root.operands[1]))
    return _size((result,))


def _kind(program: Program, instruction: Instruction) -> str:
    """Whether it only converts numbers, or only copies them into another layout."""
    opcodes = {inner.opcode for _, inner in program.within(instruction)} - TRIVIAL
    if instruction.opcode != "fusion":
        opcodes = {instruction.opcode}
    if opcodes & COPIES and opcodes <= COPIES | {"convert"}:
        return COPY
    return CONVERSION if opcodes == {"convert"} else COMPUTED


def kept(program: Program) -> int:
    """Bytes that the forward pass writes and the backward pass reads: the activations it saves."""
    entry, total = program.entry, 0
    for instruction in entry.instructions.values():
        if instruction.opcode in ("parameter", "constant", "tuple"):
            continue
        if place(entry, instruction).direction != FORWARD or instruction.opcode in FREE:
            continue
        total += sum(
            array.bytes
            for index, array in enumerate(instruction.result)
            if array.space == 0 and _read_backward(entry, instruction, index)
        )
    return total


def _read_backward(entry: Computation, instruction: Instruction, index: int) -> bool:
    """Whether the backward pass reads a result, or a part of a tuple of results."""
    for user in entry.users[instruction.name]:
        if user.opcode == "get-tuple-element":
            if user.attribute("index") == str(index) and _read_backward(entry, user, 0):
                return True
        elif user.opcode == "bitcast":
            if _read_backward(entry, user, 0):
                return True
        elif user.op_name and place(entry, user).direction == "backward":
            return True
    return False
