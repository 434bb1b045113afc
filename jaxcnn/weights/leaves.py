"""Every array of a network under both its names, ours and those of its port."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util

from jaxcnn.models import create_model
from jaxcnn.weights.channels import Orders, orders_of
from jaxcnn.weights.ports import Port, find, translate

LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}


class Leaf(NamedTuple):
    """One array under both names.

    `path` and `shape` are ours, `theirs` is its name there; `window` is the side of a map that it
    flattens, and `orders` are those of its channels.
    """

    path: tuple[str, ...]
    shape: tuple[int, ...]
    theirs: str
    window: int
    orders: Orders

    @property
    def their_shape(self) -> tuple[int, ...]:
        """Its shape in the state dict."""
        if len(self.shape) == 4:
            kh, kw, inputs, outputs = self.shape
            return (outputs, inputs, kh, kw)
        return self.shape[::-1]


def count_classes(port: Port, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """How many classes weights of `port` with these `shapes` tell apart; None without a head."""
    head = shapes.get(f"{port.head}.weight")
    return head[0] if head else None


@functools.lru_cache(maxsize=64)
def leaves(name: str, **fields: Any) -> tuple[Leaf, ...]:
    """Every array of the network, from its abstract initialisation; nothing is computed."""
    port = find(name)
    model: Any = create_model(port.model, **{**port.fields, **fields})
    images = jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    kinds = {kind: variables[kind] for kind in ("params", "batch_stats") if kind in variables}
    shapes: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(kinds)  # pyright: ignore[reportAssignmentType]
    found = []
    for path, leaf in shapes.items():
        module, window = translate("/".join(path[1:-1]), port.rows)
        orders = orders_of(path, leaf.shape, model.width) if port.pads_both_sides else Orders()
        theirs = f"{module}.{LEAVES[path[-1]]}"
        found.append(Leaf(path, leaf.shape, theirs=theirs, window=window, orders=orders))
    return tuple(found)
