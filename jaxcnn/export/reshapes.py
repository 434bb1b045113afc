"""Operations that move numbers without computing: they relabel a value's axes wherever they can."""

import math
from typing import Any

import numpy as np

from jaxcnn.export.graph import Const, Graph, Value, unsupported


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
