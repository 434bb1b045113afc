"""Layers named by patterns over their paths in the parameter tree; freezing by such patterns.

"stage1" is everything under stage1 (and not stage10); shell wildcards work: "stage[12]", "*/bn1", "conv*"."""

import contextlib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.layers.norm import BatchNorm

COLLECTIONS = ("params", "batch_stats")


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether one of `patterns` names the layer at `path` ("stage1/block2/conv1"), or one that it lies in."""
    return any(
        fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(path, f"{p}/*") for p in patterns
    )


def frozen(tree: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """A tree like `tree` (parameters, or whole variables) of bools, True where a pattern names the layer.

    Raises ValueError for patterns that name nothing, listing the layers that exist.
    """
    skip = (
        1 if set(tree) <= set(COLLECTIONS) else 0
    )  # variables have the collection above the layer
    paths = [_join(path[skip:]) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    unused = [p for p in patterns if not any(matches(path, [p]) for path in paths)]
    if unused:
        layers = sorted({path.split("/")[0] for path in paths})
        raise ValueError(
            f"no layer is named by the pattern {', '.join(map(repr, unused))}; the layers are {', '.join(layers)}"
        )
    return jax.tree_util.tree_map_with_path(
        lambda path, _: matches(_join(path[skip:]), patterns), dict(tree)
    )


def _join(path: Sequence[Any]) -> str:
    return "/".join(entry.key for entry in path)


@contextlib.contextmanager
def frozen_statistics(patterns: Sequence[str]) -> Iterator[None]:
    """Inside, every `BatchNorm` whose path a pattern names runs as in evaluation: running statistics, which it leaves as they are."""

    def run(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if (
            isinstance(module, BatchNorm)
            and context.method_name == "__call__"
            and matches("/".join(module.path), patterns)
        ):
            return method(args[0], train=False)
        return method(*args, **kwargs)

    with nn.intercept_methods(run):
        yield
