"""Operations that move numbers without computing; they relabel a value's axes where they can."""

import math
from typing import Any

import numpy as np

from jaxcnn.export.graph import MAP_RANK, NCHW, Const, Graph, Value, unsupported


def broadcast(x: Any, p: dict[str, Any], shape: tuple[Any, ...]) -> Any:
    """`broadcast_in_dim`: nothing is repeated until an operator needs it."""
    places = p["broadcast_dimensions"]
    if isinstance(x, Const):
        sizes = [1] * len(shape)
        for axis, place in enumerate(places):
            sizes[place] = x.data.shape[axis]
        return Const(x.data.reshape(sizes), shape)
    return x._replace(shape=shape, axes=tuple(places[a] for a in x.axes), flat_of=None)


def transpose(x: Any, p: dict[str, Any], shape: tuple[Any, ...]) -> Any:
    """Another logical order of the same numbers."""
    order = tuple(p["permutation"])
    if isinstance(x, Const):
        return Const(x.data.transpose(order), shape)
    return x._replace(shape=shape, axes=tuple(order.index(a) for a in x.axes), flat_of=None)


def reshape(g: Graph, x: Value, shape: tuple[Any, ...]) -> Value:
    """Another shape of the same numbers in their logical order."""
    old = [a for a, n in enumerate(x.shape) if str(n) != "1"]
    new = [a for a, n in enumerate(shape) if str(n) != "1"]
    if [str(x.shape[a]) for a in old] == [str(shape[a]) for a in new]:
        places = dict(zip(old, new, strict=True))
        kept = tuple(a for a in x.axes if a in places)
        axes = tuple(places[a] for a in kept)
        return Value(g.moved(x, kept), shape, axes, tuple(x.size(a) for a in kept))
    batch = str(x.shape[0]) == str(shape[0])
    if not batch or not all(isinstance(n, int) for n in shape[1:]):
        raise unsupported(f"a reshape from {x.shape} to {shape}", g.scope)
    name = g.full(x, tuple(range(len(x.shape))))
    name = g.add("Reshape", [name, np.array([-1, *shape[1:]])])
    flat = x if len(shape) == 2 and math.prod(x.shape[1:]) == shape[1] else None
    return Value.whole(name, shape)._replace(flat_of=flat)


def part_of(g: Graph, name: str, place: int, start: int, stop: int, step: int = 1) -> str:
    """The entries from `start` to `stop` along the physical axis `place`."""
    return g.add("Slice", [name, *(np.array([n]) for n in (start, stop, place, step))])


def crop(g: Graph, x: Value, ranges: dict[int, tuple[int, int, int]], shape: tuple) -> Value:
    """The entries (start, stop, step) along logical axes."""
    axes = NCHW if len(x.shape) == MAP_RANK else tuple(range(len(x.shape)))
    name = g.full(x, axes)
    for axis, (start, stop, step) in ranges.items():
        name = part_of(g, name, axes.index(axis), start, stop, step)
    return Value.whole(name, shape, axes)


def gather(g: Graph, x: Value, where: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """Every s-th pixel: what `x[:, ::s, ::s]` is once the batch is open."""
    numbers, axes = p["dimension_numbers"], p["dimension_numbers"].start_index_map
    if numbers.collapsed_slice_dims != axes or where.data.ndim != len(axes) + 1:
        raise unsupported("this gathering", g.scope)
    ranges = {}
    for i, axis in enumerate(axes):
        line = np.moveaxis(where.data[..., i], i, 0)  # [n, ...]: the same along all other axes
        places = line.reshape(len(line), -1)
        step = int(places[1, 0] - places[0, 0]) if len(places) > 1 else 1
        expected = places[0, 0] + step * np.arange(len(places))
        if not np.array_equal(places, np.broadcast_to(expected[:, None], places.shape)) or step < 1:
            raise unsupported("this gathering", g.scope)
        ranges[axis] = (int(places[0, 0]), int(expected[-1]) + 1, step)
    return crop(g, x, ranges, shape)


def pad(g: Graph, x: Value, value: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A constant border; negative widths cut."""
    widths = [(int(low), int(high)) for low, high, _ in p["padding_config"]]
    if any(inner for *_, inner in p["padding_config"]):
        raise unsupported("padding between pixels", g.scope)
    ranges = {
        a: (max(0, -low), x.shape[a] - max(0, -high), 1)
        for a, (low, high) in enumerate(widths)
        if min(low, high) < 0
    }
    inner = tuple(
        n if min(w) >= 0 else n + min(0, w[0]) + min(0, w[1])
        for n, w in zip(x.shape, widths, strict=True)
    )
    x = crop(g, x, ranges, inner)
    if all(max(w) <= 0 for w in widths):
        return x._replace(shape=shape)
    ends = [max(0, widths[a][side]) for side in (0, 1) for a in x.axes]
    name = g.add("Pad", [x.name, np.array(ends), np.asarray(value.data, np.float32).reshape(())])
    return Value.whole(name, shape, x.axes)


def concatenate(g: Graph, operands: list[Any], p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """Tensors side by side."""
    if not all(isinstance(x, Value) for x in operands):
        raise unsupported("a concatenation with constants", g.scope)
    axes = NCHW if len(shape) == MAP_RANK else tuple(range(len(shape)))
    names = [g.full(x, axes) for x in operands]
    return Value.whole(g.add("Concat", names, axis=axes.index(p["dimension"])), shape, axes)
