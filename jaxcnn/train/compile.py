"""The training and evaluation steps of a setup, jitted over its mesh."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.metrics import Sums
from jaxcnn.parallel.mesh import replicated
from jaxcnn.train import layout
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.feed import Batch, Item, Store
from jaxcnn.train.losses import find_loss
from jaxcnn.train.setup import Setup
from jaxcnn.train.state import State
from jaxcnn.train.step import make_eval_step, make_train_step

TrainStep = Callable[[State, Store, tuple[Item, ...]], tuple[State, Sums]]
EvalStep = Callable[[dict[str, Any], Store, Item], Sums]


class Steps(NamedTuple):
    """`train` takes (state, store, items), `evaluate` takes (variables, store, item)."""

    train: TrainStep | Any  # jitted functions: they also have `lower`
    evaluate: EvalStep | Any


def divide(setup: Setup) -> Callable[..., Any]:
    """run(step, state, batch): `step` with its ops traced for the devices of the mesh.

    They divide their work over the axis `model` as the network and `config.sharding` have it.
    """
    towers = layout.has_towers(setup.mesh, setup.model)
    sliced = setup.config.sharding.model_parallel_linear and not towers
    wide = setup.config.sharding.float32_sums

    def run(one_step: Callable, state: Any, batch: Batch) -> Any:
        with ops.on_mesh(setup.mesh, towers=towers, slices=sliced, wide_sums=wide):
            return one_step(state, layout.spread(setup.mesh, batch) if sliced else batch)

    return run


def compile_steps(setup: Setup, like: State) -> Steps:
    """The steps, jitted over the mesh, the state donated.

    `items` is a tuple of feed items, one a step; several go in one dispatch as a `lax.scan`. The
    sums come back stacked, [steps].
    """
    config, splits = setup.config, setup.splits
    loss, classes = find_loss(config.optim.loss), len(splits.class_names)
    one_step = make_train_step(
        setup.model,
        setup.tx,
        loss,
        prepare=make_prepare(
            config.data,
            splits.preprocess,
            classes,
            train=True,
            label_smoothing=config.optim.label_smoothing,
        ),
        seed=config.seed,
        ema=config.optim.ema,
        accumulate=config.optim.accumulate,
        aux_weight=config.optim.aux_weight,
        frozen=config.frozen,
    )
    one_eval = make_eval_step(
        setup.model,
        loss,
        prepare=make_prepare(config.data, splits.preprocess, classes, train=False),
    )
    everywhere, divided = replicated(setup.mesh), divide(setup)
    placed = jax.tree.map(lambda x: x.sharding, like)

    def train_steps(state, store, items):
        def body(state, item):
            return divided(one_step, state, splits.training.fetch(store, item))

        if len(items) == 1:
            state, sums = body(state, items[0])
            return state, jax.tree.map(lambda x: x[None], sums)  # [] -> [1]
        return jax.lax.scan(body, state, jax.tree.map(lambda *x: jnp.stack(x), *items))

    def eval_steps(variables, store, item):
        return divided(one_eval, variables, splits.evaluation.fetch(store, item))

    return Steps(
        train=jax.jit(train_steps, donate_argnums=0, out_shardings=(placed, everywhere)),
        evaluate=jax.jit(eval_steps, out_shardings=everywhere),
    )


def most_steps(setup: Setup) -> int:
    """The most steps that go in one dispatch: `config.steps_per_dispatch`, or what pays here."""
    if setup.config.steps_per_dispatch:
        return setup.config.steps_per_dispatch
    # XLA:CPU runs a step inside a scan several times slower; streamed batches are too large to
    # stack.
    streamed = setup.splits.training.kind == "streamed"
    return 1 if streamed or setup.mesh.devices.flat[0].platform == "cpu" else 25
