"""What a config stands for: data opened, network and optimizer made, state laid out over the mesh, steps compiled."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from jaxcnn.config import schema, values
from jaxcnn.config.schema import Config
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline import resolve
from jaxcnn.data.sources import open
from jaxcnn.errors import ConfigError
from jaxcnn.layers import naming
from jaxcnn.models import create_model
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import feed, layout, optim, schedules
from jaxcnn.train import state as state_lib


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
            "config": values.to_dict(self.config),
            "model": self.config.model,
            "model_args": self.model_args,
            "preprocessing": self.preprocess.to_dict(),
            "class_names": self.class_names,
            "eval_split": self.eval_split,
        }


def build_model(config: Config, num_classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the fields that were set; raises ConfigError for a network or a field that does not exist."""
    arguments = ({} if num_classes is None else {"num_classes": num_classes}) | schema.model_args(
        config
    )
    try:
        return create_model(
            config.model, dtype=state_lib.DTYPES[config.precision], **arguments
        ), arguments
    except (ValueError, TypeError) as error:
        raise ConfigError(f"config.model: {error}") from None


def build(config: Config) -> Parts:
    """Opens the data and makes model, optimizer and feeds; raises ConfigError or DataError where they do not fit together."""
    mesh = mesh_lib.make_mesh(config.sharding)
    sliced = config.sharding.model_parallel_linear
    layout.check_batch(mesh, config.data.batch_size, config.optim.accumulate, whole_mesh=sliced)
    layout.check_batch(
        mesh,
        config.data.eval_batch_size or config.data.batch_size,
        field="data.eval_batch_size",
        whole_mesh=sliced,
    )
    source = open.open_source(config.data, config.data.train_split)
    held_out = config.data.eval_split or open.default_eval_split(source)
    model, arguments = build_model(config, len(source.class_names))
    if arguments["num_classes"] != len(source.class_names):
        raise ConfigError(
            f"config.model_args sets num_classes={arguments['num_classes']}, but {config.data.name} has {len(source.class_names)}"
        )
    preprocess = resolve.resolve(config.data, model.input_shape, source)
    steps_per_epoch = len(source) / config.data.batch_size
    return Parts(
        config=config,
        model=model,
        model_args=arguments,
        class_names=source.class_names,
        preprocess=preprocess,
        mesh=mesh,
        train_feed=feed.make_feed(
            config.data, config.data.train_split, preprocess, mesh, train=True, seed=config.seed
        ),
        eval_feed=feed.make_feed(config.data, held_out, preprocess, mesh, train=False),
        eval_split=held_out,
        tx=optim.make_optimizer(config.optim, steps_per_epoch),
        schedule=schedules.make_schedule(config.optim, steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        total_steps=schedules.total_steps(config.optim, steps_per_epoch),
    )


def initial_state(parts: Parts) -> tuple[Any, Callable[[], state_lib.State]]:
    """(abstract state with shardings, function that computes the fresh state there)."""
    config, shape = (
        parts.config,
        (parts.preprocess.image_size, parts.preprocess.image_size, parts.preprocess.channels),
    )

    def init(key):
        return state_lib.init_state(key, parts.model, parts.tx, shape, ema=config.optim.ema > 0)

    key = jax.random.key(config.seed)
    try:
        abstract = jax.eval_shape(init, key)
        naming.frozen(abstract.params, config.frozen)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{config.model} does not fit the data or its settings: {' '.join(str(error).split())[:400]}"
        ) from None
    shardings = layout.state_shardings(
        parts.mesh, config.sharding, abstract, layout.has_towers(parts.mesh, parts.model)
    )
    like = jax.tree.map(
        lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )
    return like, lambda: jax.jit(init, out_shardings=shardings)(key)


def checkpoints_mib(config: Config, like: state_lib.State) -> float:
    """Disk space in MiB that the checkpoints of a run take at most: those kept, the best, and the one being written."""
    return (config.keep + 2) * sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like)) / 2**20
