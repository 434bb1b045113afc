"""Which layer of the network an instruction of a compiled program belongs to, by its op_name."""

import re
from typing import NamedTuple

from jaxcnn.costs.hlo import Computation, Instruction

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
# Parts of an op_name that JAX and not a module puts there.
STRUCTURE = {"body", "branch", "checkpoint", "closed_call", "cond", "custom_jvp_call"}
STRUCTURE |= {"custom_vjp_call", "rematted_computation", "remat", "shard_map", "while"}
# Names of what has no module.
LOSS, PREPARE, OPTIMIZER = "(loss)", "(augmentation)", "(optimizer)"
NETWORK, UNNAMED = "(between layers)", "(unnamed)"
# How far from a nameless instruction its layer is looked for.
REACH = 6


class Place(NamedTuple):
    """A layer, named by its path in the network, and the pass over it."""

    layer: str
    direction: str  # FORWARD, BACKWARD or UPDATE


def place_of(op_name: str) -> Place | None:
    """The place that an op_name such as "jit(f)/transpose(jvp(Net))/stage1/conv1/dot" names.

    None where there is no name, or it is that of an argument.
    """
    if not op_name.startswith("jit("):
        return None
    parts = op_name.split("/")
    if "prepare" in parts or "prepare.<locals>" in op_name or ".prepare/" in op_name:
        return Place(PREPARE, FORWARD)
    backward = any(part.startswith("transpose(") for part in parts)
    traced = next((part for part in parts if "jvp(" in part), None)
    if traced is None and not _evaluates(parts):
        return Place(LOSS, FORWARD) if "eval" in parts[0] else Place(OPTIMIZER, UPDATE)
    direction = BACKWARD if backward else FORWARD
    if traced is not None and not re.search(r"jvp\([A-Z]\w*\)", traced):
        return Place(LOSS, direction)
    modules = [part for part in parts[1:-1] if _is_module(part)]
    if traced is None:
        modules = modules[1:]  # the network's own class comes first
    half = len(modules) // 2
    if modules[:half] == modules[half:]:  # derivatives of one's own have the path twice
        modules = modules[:half]
    return Place("/".join(modules) or NETWORK, direction)


def _evaluates(parts: list[str]) -> bool:
    """Whether the name is that of a forward pass without derivatives: its class comes first."""
    return len(parts) > 2 and bool(re.fullmatch(r"[A-Z]\w*", parts[1]))


def _is_module(part: str) -> bool:
    return part not in STRUCTURE and not re.search(r"[(.<]", part)


def place(computation: Computation, instruction: Instruction) -> Place:
    """The place of an instruction.

    One that XLA made up, such as a copy, belongs to the nearest that reads it or that it reads.
    """
    for nearest in (_reader, _read):
        found = _search(computation, instruction, nearest)
        if found:
            return found
    return Place(UNNAMED, UPDATE)


def _search(computation: Computation, instruction: Instruction, nearest) -> Place | None:
    steps, current = 0, instruction
    while current is not None and steps <= REACH:
        found = place_of(current.op_name)
        if found:
            return found
        current, steps = nearest(computation, current), steps + 1
    return None


def _reader(computation: Computation, instruction: Instruction) -> Instruction | None:
    return next(iter(computation.users[instruction.name]), None)


def _read(computation: Computation, instruction: Instruction) -> Instruction | None:
    known = computation.instructions
    return next((known[name] for name in instruction.operands if name in known), None)
