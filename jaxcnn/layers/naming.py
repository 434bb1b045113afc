"""Layers named by patterns over their paths in the parameter tree.

A pattern names a layer and all that lies in it: "stage1" is everything under stage1, and not
stage10. Shell wildcards work: `stage[12]`, `*/bn1`, `conv*`. Frozen layers, layers that start
fresh and layers with a rate of their own are named so.
"""

import contextlib
import fnmatch
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.errors import ConfigError
from jaxcnn.layers.norm import BatchNorm

COLLECTIONS = ("params", "batch_stats")


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern names the layer at `path` ("stage1/block2/conv1"), or one around it."""
    return any(
        fnmatch.fnmatchcase(path, p) or fnmatch.fnmatchcase(path, f"{p}/*") for p in patterns
    )


def check_patterns(tree: Mapping[str, Any], patterns: Iterable[str], field: str = "") -> None:
    """Raises ConfigError for patterns that name no layer of `tree`, and lists those that exist.

    `tree` has parameters, or whole variables; `field` is where the patterns were set.
    """
    paths = [_path(path, tree) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    unused = [p for p in patterns if not any(matches(path, [p]) for path in paths)]
    if unused:
        layers = sorted({path.split("/")[0] for path in paths})
        raise ConfigError(
            f"{field}{': ' if field else ''}no layer is named by the pattern "
            f"{', '.join(map(repr, unused))}; the layers are {', '.join(layers)}"
        )


def frozen(tree: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """A tree like `tree` (parameters, or whole variables): True where a pattern names the layer.

    Raises ConfigError for patterns that name nothing, listing the layers that exist.
    """
    check_patterns(tree, patterns)
    return jax.tree_util.tree_map_with_path(
        lambda path, _: matches(_path(path, tree), patterns), dict(tree)
    )


def multiple(path: Sequence[Any], rates: Mapping[str, float]) -> float:
    """The product of the `rates` {pattern: factor} whose patterns name the parameter at `path`."""
    name = _path(path)
    return math.prod(rate for pattern, rate in rates.items() if matches(name, [pattern]))


def stopped(params: Mapping[str, Any], patterns: Sequence[str]) -> Any:
    """`params` with no gradient flowing to the layers that `patterns` name."""
    if not patterns:
        return params
    return jax.tree.map(
        lambda still, x: jax.lax.stop_gradient(x) if still else x, frozen(params, patterns), params
    )


def _path(path: Sequence[Any], tree: Mapping[str, Any] | None = None) -> str:
    """The name "stage1/conv1/kernel" of a key path, without the collection if `tree` has those."""
    of_variables = tree is not None and set(tree) <= set(COLLECTIONS)
    return "/".join(entry.key for entry in path[1 if of_variables else 0 :])


@contextlib.contextmanager
def frozen_statistics(patterns: Sequence[str]) -> Iterator[None]:
    """Inside, every `BatchNorm` whose path a pattern names runs as in evaluation.

    It normalises by its running statistics, and leaves them as they are.
    """

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
