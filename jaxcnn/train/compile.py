"""The training and evaluation steps of a setup, jitted over its mesh."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import layout, losses, step
from jaxcnn.train import state as state_lib
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.setup import Parts


def divide(parts: Parts) -> Callable[..., Any]:
    """run(step, state, batch): `step` with its ops for the devices of the mesh.

    They divide their work over the axis `model` as the network and `config.sharding` have it.
    """
    towers = layout.has_towers(parts.mesh, parts.model)
    sliced = parts.config.sharding.model_parallel_linear and not towers

    def run(one_step: Callable, state: Any, batch: dict[str, jax.Array]) -> Any:
        with ops.on_mesh(parts.mesh, towers=towers, slices=sliced):
            return one_step(state, layout.spread(parts.mesh, batch) if sliced else batch)

    return run


def compile_steps(parts: Parts, like: state_lib.State) -> tuple[Callable, Callable]:
    """(train_steps(state, store, items), eval_step(variables, store, item)), jitted over the mesh with the state donated.

    `items` is a tuple of feed items, one a step; several go in one dispatch as a `lax.scan`. The sums come back stacked, [steps].
    """
    config, loss = parts.config, losses.LOSSES[parts.config.optim.loss]
    classes, smoothing = len(parts.class_names), config.optim.label_smoothing
    augmenting = make_prepare(
        config.data, parts.preprocess, classes, train=True, label_smoothing=smoothing
    )
    one_step = step.make_train_step(
        parts.model, parts.tx, loss, prepare=augmenting, seed=config.seed, ema=config.optim.ema,
        accumulate=config.optim.accumulate, aux_weight=config.optim.aux_weight, frozen=config.frozen,
    )  # fmt: skip
    one_eval = step.make_eval_step(
        parts.model, loss, prepare=make_prepare(config.data, parts.preprocess, classes, train=False)
    )
    everywhere, divided = mesh_lib.replicated(parts.mesh), divide(parts)
    placed = jax.tree.map(lambda x: x.sharding, like)

    def train_steps(state, store, items):
        def body(state, item):
            return divided(one_step, state, parts.train_feed.fetch(store, item))

        if len(items) == 1:
            state, sums = body(state, items[0])
            return state, jax.tree.map(lambda x: x[None], sums)
        return jax.lax.scan(body, state, jax.tree.map(lambda *x: jnp.stack(x), *items))

    train_step = jax.jit(train_steps, donate_argnums=0, out_shardings=(placed, everywhere))

    def eval_steps(variables, store, item):
        return divided(one_eval, variables, parts.eval_feed.fetch(store, item))

    eval_step = jax.jit(eval_steps, out_shardings=everywhere)
    return train_step, eval_step
