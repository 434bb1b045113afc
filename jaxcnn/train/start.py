"""What a run starts from: its newest checkpoint, the weights of `config.init_from`, or a fresh state."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.checkpoint import manager
from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.errors import ConfigError
from jaxcnn.layers import naming
from jaxcnn.train import state as state_lib
from jaxcnn.train.setup import Parts


def take_over(
    fresh: dict[str, Any], given: dict[str, Any], without: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """(`fresh` with every array of `given` that has its path and shape, the paths that stay fresh), layers named by `without` among them."""
    have = {
        jax.tree_util.keystr(path, simple=True, separator="/"): x
        for path, x in jax.tree_util.tree_leaves_with_path(given)
    }
    kept: list[str] = []

    def pick(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if (
            name in have
            and have[name].shape == leaf.shape
            and not naming.matches(name.partition("/")[2], without)
        ):
            return jax.device_put(jnp.asarray(have[name], leaf.dtype), leaf.sharding)
        kept.append(name)
        return leaf

    return jax.tree_util.tree_map_with_path(pick, fresh), kept


def start_from(parts: Parts, state: state_lib.State) -> tuple[state_lib.State, list[str]]:
    """The fresh `state` with the weights of `config.init_from`, and the layers that did not fit and start fresh."""
    given, _ = variables_lib.load_variables(parts.config.init_from)
    try:
        naming.frozen(state.params, parts.config.fresh)
    except ValueError as error:
        raise ConfigError(f"config.fresh: {error}") from None
    variables, missing = take_over(state.variables, given, parts.config.fresh)
    if len(missing) == len(jax.tree.leaves(variables)):
        raise ConfigError(
            f"config.init_from={parts.config.init_from} has no layer that {parts.config.model} has, in name and shape"
        )
    ema = jax.tree.map(jnp.copy, variables) if state.ema else {}
    return state.replace(
        params=variables["params"], batch_stats=variables["batch_stats"], ema=ema
    ), missing


def restore_or_start(
    parts: Parts, checkpointer: manager.Checkpointer, like: state_lib.State, fresh: Callable
) -> tuple[state_lib.State, list[str]]:
    """(the newest checkpoint's state, []), or a fresh one, from `config.init_from` if set, with the layers that it did not have."""
    if restored := checkpointer.restore(like):
        return restored[0], []
    return start_from(parts, fresh()) if parts.config.init_from else (fresh(), [])
