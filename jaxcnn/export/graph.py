"""An ONNX graph under construction: values with their own order of axes, nodes that are shared.

A traced array has logical axes (B, H, W, C), which JAX fixes, and ONNX computes on physical ones
(B, C, H, W). A `Value` knows both, so that transposing, reshaping and broadcasting only relabel it,
and a Transpose is written where an operator cannot do without.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.errors import ExportError

NCHW = (0, 3, 1, 2)
MAP_RANK = 4


class Value(NamedTuple):
    """The ONNX tensor `name`, whose axis i is the logical axis `axes[i]` of size `sizes[i]`.

    A logical axis that is not in `axes` has one entry there. Where the physical size is 1 and the
    logical one in `shape` is larger, the numbers repeat. `flat_of` is the map that was flattened.
    """

    name: str
    shape: tuple[Any, ...]
    axes: tuple[int, ...]
    sizes: tuple[Any, ...]
    flat_of: "Value | None" = None

    @classmethod
    def whole(cls, name: str, shape: tuple[Any, ...], axes: tuple[int, ...] = ()) -> "Value":
        """A value without repetition; `axes` default to the logical order."""
        axes = axes or tuple(range(len(shape)))
        return cls(name, shape, axes, tuple(shape[a] for a in axes))

    def size(self, axis: int) -> Any:
        """The physical size of a logical axis."""
        return self.sizes[self.axes.index(axis)] if axis in self.axes else 1


class Const(NamedTuple):
    """Known numbers: `data` has the rank of `shape`, and 1 where they repeat along an axis."""

    data: np.ndarray
    shape: tuple[Any, ...]

    def size(self, axis: int) -> int:
        return self.data.shape[axis]


@dataclass
class Node:
    """One operator; its inputs are names of tensors, arrays, or None for one that is left out."""

    op: str
    inputs: list[Any]
    output: str
    scope: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Graph:
    """The nodes so far, in order; equal nodes are one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.made: dict[str, Node] = {}
        self.scope = ""
        self._known: dict[Any, str] = {}
        self._digests: dict[int, tuple[np.ndarray, tuple[Any, ...]]] = {}

    def add(self, op: str, inputs: list[Any], **attributes: Any) -> str:
        """The name of the output of `op`, a new node's or that of an equal one."""
        entries = (self.digest(x) if isinstance(x, np.ndarray) else x for x in inputs)
        key = (op, *entries, repr(sorted(attributes.items())))
        if key not in self._known:
            name = str(len(self.nodes))
            node = Node(op, inputs, name, self.scope, attributes)
            self.nodes.append(node)
            self.made[name] = node
            self._known[key] = name
        return self._known[key]

    def digest(self, array: np.ndarray) -> tuple[Any, ...]:
        """What two equal arrays have in common and others have not; computed once an array."""
        if id(array) not in self._digests:
            content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
            # The array is kept, so that its id is never another's.
            self._digests[id(array)] = array, (array.shape, str(array.dtype), content)
        return self._digests[id(array)][1]

    def moved(self, value: Value, axes: tuple[int, ...]) -> str:
        """The name of a tensor with the numbers of `value`, its axes the logical `axes`."""
        name, order = value.name, list(value.axes)
        gone = [a for a in order if a not in axes]
        if gone:
            places = np.array([order.index(a) for a in gone])
            name = self.add("Squeeze", [name, places])
            order = [a for a in order if a not in gone]
        wanted = [a for a in axes if a in order]
        if wanted != order:
            name = self.add("Transpose", [name], perm=[order.index(a) for a in wanted])
        new = [i for i, a in enumerate(axes) if a not in order]
        return self.add("Unsqueeze", [name, np.array(new)]) if new else name

    def full(self, value: Value, axes: tuple[int, ...]) -> str:
        """Like `moved`, with all axes in `axes` and nothing left to repeat."""
        name = self.moved(value, axes)
        if all(str(value.size(a)) == str(value.shape[a]) for a in axes):
            return name
        # A 1 in Expand's shape leaves the tensor's own size, which is how the batch stays open.
        sizes = [value.shape[a] if isinstance(value.shape[a], int) else 1 for a in axes]
        return self.add("Expand", [name, np.array(sizes)])

    def live(self, outputs: list[str]) -> tuple[list[Node], list[str]]:
        """The nodes on which `outputs` depend, in order, and the names of the outputs.

        Names are made anew: layer/Operator, and layer/Operator_2 for a second one.
        """
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if node.output in needed:
                kept.append(node)
                needed |= {name for name in node.inputs if isinstance(name, str)}
        names: dict[str, str] = {}
        taken: dict[str, int] = {}
        fresh = []
        for node in kept[::-1]:
            name = f"{node.scope}/{node.op}" if node.scope else node.op
            count = taken[name] = taken.get(name, 0) + 1
            names[node.output] = name if count == 1 else f"{name}_{count}"
            inputs = [names.get(x, x) if isinstance(x, str) else x for x in node.inputs]
            fresh.append(Node(node.op, inputs, names[node.output], node.scope, node.attributes))
        return fresh, [names.get(output, output) for output in outputs]


def common_axes(operands: list[Any]) -> tuple[int, ...]:
    """An order of axes in which every operand of an elementwise operation can stand."""
    values = [x for x in operands if isinstance(x, Value)]
    best = max((v.axes for v in values), key=len)
    rank = len(values[0].shape)
    missing = [
        a for a in range(rank) if a not in best and any(str(x.size(a)) != "1" for x in operands)
    ]
    if not missing:
        return best
    return NCHW if rank == MAP_RANK else tuple(range(rank))


def constant_along(const: Const, axes: tuple[int, ...]) -> np.ndarray:
    """The numbers of `const` with physical `axes`; leading axes of one entry are left out."""
    others = tuple(a for a in range(const.data.ndim) if a not in axes)
    data = const.data.transpose((*others, *axes)).reshape([const.data.shape[a] for a in axes])
    leading = next((i for i, n in enumerate(data.shape) if n != 1), data.ndim)
    data = data.reshape(data.shape[leading:])
    return np.require(data, requirements="C")


def unsupported(what: str, scope: str) -> ExportError:
    """The error of something that ONNX is not taught here."""
    where = f" (in {scope})" if scope else ""
    return ExportError(
        f"the ONNX export does not know {what}{where}; export this network as stablehlo or "
        "safetensors"
    )
