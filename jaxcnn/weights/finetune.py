"""Fine-tuning: a fresh last layer, layers that neither learn nor update their statistics.

Layers are named by patterns over their paths in the parameter tree: "stage1" is everything under stage1 (and not stage10), and shell
wildcards work, "stage[12]", "*/bn1", "conv*".

    mask = frozen(params, ("conv1", "bn1", "stage[12]"))
    labels = jax.tree.map(lambda still: "frozen" if still else "trained", mask)
    tx = optax.multi_transform({"trained": tx, "frozen": optax.set_to_zero()}, labels)
    with frozen_statistics(("conv1", "bn1", "stage[12]")):
        logits, updates = model.apply(variables, images, train=True, mutable=["batch_stats"])
"""

import contextlib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jaxcnn.layers import BatchNorm
from jaxcnn.models import create_model

COLLECTIONS = ("params", "batch_stats")


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of `patterns` names the layer at `path` ("stage1/block2/conv1"), or one that it lies in."""
    return any(fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(path, f"{p}/*") for p in patterns)


def frozen(tree: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """A tree like `tree` (parameters, or whole variables) of bools, True where a pattern names the layer.

    Raises ValueError for patterns that name nothing, listing the layers that exist.
    """
    skip = 1 if set(tree) <= set(COLLECTIONS) else 0  # variables have the collection above the layer
    paths = [_join(path[skip:]) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    unused = [p for p in patterns if not any(matches(path, [p]) for path in paths)]
    if unused:
        layers = sorted({path.split("/")[0] for path in paths})
        raise ValueError(f"no layer is named by the pattern {', '.join(map(repr, unused))}; the layers are {', '.join(layers)}")
    return jax.tree_util.tree_map_with_path(lambda path, _: matches(_join(path[skip:]), patterns), dict(tree))


def _join(path: Sequence[Any]) -> str:
    return "/".join(entry.key for entry in path)


@contextlib.contextmanager
def frozen_statistics(patterns: Sequence[str]) -> Iterator[None]:
    """Inside, every `BatchNorm` whose path a pattern names runs as in evaluation: running statistics, which it leaves as they are."""

    def run(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if isinstance(module, BatchNorm) and context.method_name == "__call__" and matches("/".join(module.path), patterns):
            return method(args[0], train=False)
        return method(*args, **kwargs)

    with nn.intercept_methods(run):
        yield


def with_new_head(name: str, variables: Mapping[str, Any], num_classes: int, key: jax.Array) -> dict[str, Any]:
    """`variables` of the network `name` with its last layer (and those of its auxiliary heads) freshly drawn for `num_classes` classes.

    Everything else is kept, the same arrays. Returns the variables of `create_model(name, num_classes=num_classes)`; raises ValueError
    where these are not variables of `name`.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes is {num_classes}; a new head for {name} needs at least 1 class")
    model, other = (create_model(name, num_classes=n) for n in (num_classes, num_classes + 1))
    images = np.zeros((1, *model.input_shape), np.float32)
    shapes, shifted = (dict(jax.tree_util.tree_leaves_with_path(jax.eval_shape(m.init, key, images))) for m in (model, other))
    heads = {path for path in shapes if shapes[path].shape != shifted[path].shape}  # what the number of classes changes
    if not heads & {path for path, _ in jax.tree_util.tree_leaves_with_path(variables)}:
        raise ValueError(f"these are not variables of {name}: none of its layers that depend on num_classes is among them")

    @jax.jit
    def draw(key: jax.Array) -> list[jax.Array]:  # the rest of the initialisation is dead code to the compiler
        return [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(model.init(key, images)) if path in heads]

    fresh = dict(zip([path for path in shapes if path in heads], draw(key), strict=True))
    return jax.tree_util.tree_map_with_path(lambda path, old: fresh.get(path, old), dict(variables))
