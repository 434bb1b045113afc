"""What a compiled program sends between devices: its collectives, read from the compiled text.

Each has its bytes, and the name of the layer that it serves.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4,
    "f32": 4, "s64": 8, "u64": 8, "f64": 8,
}  # fmt: skip
CALL = re.compile(rf" = (?P<shapes>.*?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(")
SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
NAME = re.compile(r'op_name="([^"]*)"')


@dataclass(frozen=True)
class Collective:
    """One collective instruction.

    `bytes` is the whole array that a device ends with or, of a reduce-scatter, begins with.
    """

    kind: str
    bytes: int
    devices: int  # that take part in each of its groups
    name: str  # of the traced operation: jit(step)/jvp(AlexNet)/conv3/shard_map/all_gather
    arrays: int = 1  # the compiler combines several into one


def read(text: str | None) -> list[Collective]:
    """The collectives in a compiled program's text (`compiled.as_text()`), in its order.

    Those among a single device exchange nothing and are left out.
    """
    lines = map(_collective, (text or "").splitlines())
    return [collective for collective in lines if collective and collective.devices > 1]


def _collective(line: str) -> Collective | None:
    call = CALL.search(line)
    if call is None:
        return None
    kind = call["kind"]
    sizes = [
        BYTES[dtype] * math.prod(int(n) for n in shape.split(",") if n)
        for dtype, shape in SHAPE.findall(call["shapes"])
    ]
    # of an asynchronous one: operands, results, and of a permute two counters
    if call["start"] and kind != "all-reduce":
        sizes = [size for size in sizes if size > 4 or kind != "collective-permute"]
        sizes = sizes[len(sizes) // 2 :]
    devices = _group_size(line)
    name = NAME.search(line)
    moved = sum(sizes) * (devices if kind == "reduce-scatter" else 1)
    return Collective(
        kind=kind,
        bytes=moved,
        devices=devices,
        name=name[1] if name else "",
        arrays=len(sizes),
    )


def _group_size(line: str) -> int:
    """Devices in a group, in any of the three ways in which XLA writes them; 2 for a permute."""
    if "source_target_pairs=" in line:
        return 2
    if lists := re.search(r"replica_groups=\{\{([\d,]*)\}", line):
        return len(lists[1].split(","))
    if iota := re.search(r"replica_groups=\[\d+,(\d+)\]<=", line):
        return int(iota[1])
    axes = re.search(r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}", line)
    if axes is None:
        raise ValueError(f"there is no group of devices to read in {line.strip()[:200]!r}")
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", axes[1]))
    return math.prod(
        int(part or sizes[axis]) for axis, part in re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", axes[2])
    )


def totals(collectives: Iterable[Collective]) -> dict[str, dict[str, int]]:
    """{kind: {"count": instructions, "bytes": theirs}} for every kind, absent ones too."""
    sums = {kind: {"count": 0, "bytes": 0} for kind in KINDS}
    for collective in collectives:
        sums[collective.kind]["count"] += 1
        sums[collective.kind]["bytes"] += collective.bytes
    return sums
