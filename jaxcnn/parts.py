"""What a config stands for: data opened, network and optimizer made, state laid out over the mesh, steps compiled."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import checkpoint, feed, ops, optim, sharding, step
from jaxcnn import config as config_lib
from jaxcnn import data as data_lib
from jaxcnn.config import Config, ConfigError
from jaxcnn.data.augment import make_prepare
from jaxcnn.data.preprocess import Preprocess
from jaxcnn.models import create_model
from jaxcnn.weights import finetune


@dataclasses.dataclass
class Parts:
    """What a config stands for, before anything is computed."""

    config: Config
    model: nn.Module
    model_args: dict[str, Any]
    class_names: list[str]
    preprocess: Preprocess
    mesh: jax.sharding.Mesh
    train_feed: Any
    eval_feed: Any
    eval_split: str
    tx: Any
    schedule: Callable[[Any], Any]
    steps_per_epoch: float
    total_steps: int

    def metadata(self) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "config": config_lib.to_dict(self.config),
            "model": self.config.model,
            "model_args": self.model_args,
            "preprocessing": self.preprocess.to_dict(),
            "class_names": self.class_names,
            "eval_split": self.eval_split,
        }


def build_model(config: Config, num_classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the fields that were set; raises ConfigError for a network or a field that does not exist."""
    arguments = ({} if num_classes is None else {"num_classes": num_classes}) | config_lib.model_args(config)
    try:
        return create_model(config.model, dtype=step.DTYPES[config.precision], **arguments), arguments
    except (ValueError, TypeError) as error:
        raise ConfigError(f"config.model: {error}") from None


def build(config: Config) -> Parts:
    """Opens the data and makes model, optimizer and feeds; raises ConfigError or DataError where they do not fit together."""
    mesh = sharding.make_mesh(config.sharding)
    sliced = config.sharding.model_parallel_linear
    sharding.check_batch(mesh, config.data.batch_size, config.optim.accumulate, whole_mesh=sliced)
    sharding.check_batch(mesh, config.data.eval_batch_size or config.data.batch_size, field="data.eval_batch_size", whole_mesh=sliced)
    source = data_lib.open_source(config.data, config.data.train_split)
    held_out = config.data.eval_split or data_lib.default_eval_split(source)
    model, arguments = build_model(config, len(source.class_names))
    if arguments["num_classes"] != len(source.class_names):
        raise ConfigError(
            f"config.model_args sets num_classes={arguments['num_classes']}, but {config.data.name} has {len(source.class_names)}"
        )
    preprocess = data_lib.resolve(config.data, model.input_shape, source)
    steps_per_epoch = len(source) / config.data.batch_size
    return Parts(
        config=config,
        model=model,
        model_args=arguments,
        class_names=source.class_names,
        preprocess=preprocess,
        mesh=mesh,
        train_feed=feed.make_feed(config.data, config.data.train_split, preprocess, mesh, train=True, seed=config.seed),
        eval_feed=feed.make_feed(config.data, held_out, preprocess, mesh, train=False),
        eval_split=held_out,
        tx=optim.make_optimizer(config.optim, steps_per_epoch),
        schedule=optim.make_schedule(config.optim, steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        total_steps=optim.total_steps(config.optim, steps_per_epoch),
    )


def initial_state(parts: Parts) -> tuple[Any, Callable[[], step.State]]:
    """(abstract state with shardings, function that computes the fresh state there)."""
    config, shape = parts.config, (parts.preprocess.image_size, parts.preprocess.image_size, parts.preprocess.channels)

    def init(key):
        return step.init_state(key, parts.model, parts.tx, shape, ema=config.optim.ema > 0)

    key = jax.random.key(config.seed)
    try:
        abstract = jax.eval_shape(init, key)
        finetune.frozen(abstract.params, config.frozen)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(f"{config.model} does not fit the data or its settings: {' '.join(str(error).split())[:400]}") from None
    shardings = sharding.state_shardings(parts.mesh, config.sharding, abstract, sharding.has_towers(parts.mesh, parts.model))
    like = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings)
    return like, lambda: jax.jit(init, out_shardings=shardings)(key)


def checkpoints_mib(config: Config, like: step.State) -> float:
    """Disk space in MiB that the checkpoints of a run take at most: those kept, the best, and the one being written."""
    return (config.keep + 2) * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like)) / 2**20


def take_over(fresh: dict[str, Any], given: dict[str, Any], without: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """(`fresh` with every array of `given` that has its path and shape, the paths that stay fresh), layers named by `without` among them."""
    have = {jax.tree_util.keystr(path, simple=True, separator="/"): x for path, x in jax.tree_util.tree_leaves_with_path(given)}
    kept: list[str] = []

    def pick(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in have and have[name].shape == leaf.shape and not finetune.matches(name.partition("/")[2], without):
            return jax.device_put(jnp.asarray(have[name], leaf.dtype), leaf.sharding)
        kept.append(name)
        return leaf

    return jax.tree_util.tree_map_with_path(pick, fresh), kept


def start_from(parts: Parts, state: step.State) -> tuple[step.State, list[str]]:
    """The fresh `state` with the weights of `config.init_from`, and the layers that did not fit and start fresh."""
    given, _ = checkpoint.load_variables(parts.config.init_from)
    try:
        finetune.frozen(state.params, parts.config.fresh)
    except ValueError as error:
        raise ConfigError(f"config.fresh: {error}") from None
    variables, missing = take_over(state.variables, given, parts.config.fresh)
    if len(missing) == len(jax.tree.leaves(variables)):
        raise ConfigError(f"config.init_from={parts.config.init_from} has no layer that {parts.config.model} has, in name and shape")
    ema = jax.tree.map(jnp.copy, variables) if state.ema else {}
    return state.replace(params=variables["params"], batch_stats=variables["batch_stats"], ema=ema), missing


def divide(parts: Parts) -> Callable[..., Any]:
    """run(step, state, batch): `step` with its ops divided over the axis `model`, as the network and `config.sharding` have it."""
    towers = sharding.has_towers(parts.mesh, parts.model)
    sliced = parts.config.sharding.model_parallel_linear and not towers

    def run(one_step: Callable, state: Any, batch: dict[str, jax.Array]) -> Any:
        if not (towers or sliced):
            return one_step(state, batch)
        with ops.on_mesh(parts.mesh, towers=towers):
            return one_step(state, sharding.spread(parts.mesh, batch) if sliced else batch)

    return run


def compile_steps(parts: Parts, like: step.State) -> tuple[Callable, Callable]:
    """(train_steps(state, store, items), eval_step(variables, store, item)), jitted over the mesh with the state donated.

    `items` is a tuple of feed items, one a step; several go in one dispatch as a `lax.scan`. The sums come back stacked, [steps].
    """
    config, loss = parts.config, step.LOSSES[parts.config.optim.loss]
    classes, smoothing = len(parts.class_names), config.optim.label_smoothing
    augmenting = make_prepare(config.data, parts.preprocess, classes, train=True, label_smoothing=smoothing)
    one_step = step.make_train_step(
        parts.model, parts.tx, loss, prepare=augmenting, seed=config.seed, ema=config.optim.ema,
        accumulate=config.optim.accumulate, aux_weight=config.optim.aux_weight, frozen=config.frozen,
    )  # fmt: skip
    one_eval = step.make_eval_step(parts.model, loss, prepare=make_prepare(config.data, parts.preprocess, classes, train=False))
    everywhere, divided = sharding.replicated(parts.mesh), divide(parts)
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
