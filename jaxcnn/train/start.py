"""Where a run begins: at its newest checkpoint, at given weights, or at a fresh state."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.checkpoint.layout import holds_checkpoint, steps_of
from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.config.schema import Config
from jaxcnn.errors import ConfigError
from jaxcnn.layers.naming import check_patterns, matches
from jaxcnn.train.setup import Setup
from jaxcnn.train.state import State


class Taken(NamedTuple):
    """A tree with given arrays in place of fresh ones, and what was not taken, by path."""

    tree: dict[str, Any]
    fresh: list[str]  # of the network: not given, of another shape, or asked to start fresh
    unused: list[str]  # of what was given: not in the network, or of another shape


class Start(NamedTuple):
    """The state that a run begins with; of `config.init_from`, what did not fit on either side."""

    state: State
    fresh: list[str]
    unused: list[str]


def check_init_from(config: Config, workdir: pathlib.Path) -> None:
    """Raises ConfigError where a run must begin with `config.init_from`, and nothing is there."""
    path = pathlib.Path(config.init_from)
    if not config.init_from or steps_of(workdir) or holds_checkpoint(path):
        return
    found = "holds no checkpoint" if path.exists() else "does not exist"
    raise ConfigError(
        f"config.init_from={config.init_from} {found}; give the --workdir of a run, or import "
        "public weights first: jaxcnn import NAME download --out "
        f"{config.init_from}"
    )


def take_over(fresh: dict[str, Any], given: dict[str, Any], without: Sequence[str] = ()) -> Taken:
    """`fresh` with every array of `given` that has its path and shape, laid out as it is.

    Layers that patterns of `without` name stay fresh. Each process puts what its devices hold.
    """
    have = {_path(path): x for path, x in jax.tree_util.tree_leaves_with_path(given)}
    wanted = {_path(path): x for path, x in jax.tree_util.tree_leaves_with_path(fresh)}
    asked = {name for name in wanted if matches(name.partition("/")[2], without)}
    other_shape = {
        name
        for name in (have.keys() & wanted.keys()) - asked
        if have[name].shape != wanted[name].shape
    }
    usable = (have.keys() & wanted.keys()) - asked - other_shape

    def pick(path, leaf):
        if (name := _path(path)) not in usable:
            return leaf
        array = np.asarray(have[name], leaf.dtype)
        return jax.make_array_from_callback(leaf.shape, leaf.sharding, lambda index: array[index])

    def listed(names, arrays):
        return [
            f"{name} {list(arrays[name].shape)}" if name in other_shape else name for name in names
        ]

    return Taken(
        tree=jax.tree_util.tree_map_with_path(pick, fresh),
        fresh=listed((name for name in wanted if name not in usable), wanted),
        unused=listed((name for name in have if name not in usable | asked), have),
    )


def _path(path: Sequence[Any]) -> str:
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/")


def start_from(setup: Setup, state: State) -> Start:
    """The fresh `state` with the weights of `config.init_from`.

    Raises ConfigError where no layer fits, or a pattern of `config.fresh` names none.
    """
    config = setup.config
    given, _ = load_variables(config.init_from)
    check_patterns(state.params, config.fresh, "config.fresh")
    variables, fresh, unused = take_over(state.variables, given, config.fresh)
    if len(fresh) == len(jax.tree.leaves(variables)):
        raise ConfigError(
            f"config.init_from={config.init_from} has no layer that {config.model} has, in name "
            "and shape"
        )
    averaged = jax.tree.map(jnp.copy, variables) if state.ema else {}
    return Start(state.replace(**variables, ema=averaged), fresh, unused)


def restore_or_start(
    setup: Setup, checkpointer: Checkpointer, like: State, fresh: Callable[[], State]
) -> Start:
    """The newest checkpoint's state, or a fresh one, from `config.init_from` where that is set."""
    if restored := checkpointer.restore(like):
        return Start(restored[0], [], [])
    return start_from(setup, fresh()) if setup.config.init_from else Start(fresh(), [], [])
