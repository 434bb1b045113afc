"""What a config stands for: opens the data, makes the network, the optimizer and the mesh."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxcnn.config.schema import Config
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import ConfigError, one_line
from jaxcnn.layers.naming import check_patterns
from jaxcnn.models import create_model
from jaxcnn.parallel.mesh import make_mesh
from jaxcnn.train import layout
from jaxcnn.train.feed import Feed, make_feed
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.schedules import Schedule, check_length, make_schedule, total_steps
from jaxcnn.train.state import State, init_state


@dataclasses.dataclass(frozen=True)
class Splits:
    """The training and the evaluation split as batches on the devices, and their images' form."""

    class_names: list[str]
    preprocess: Preprocess
    training: Feed
    evaluation: Feed
    eval_split: str
    steps_per_epoch: float


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a config stands for on a mesh."""

    config: Config
    mesh: Mesh
    model: nn.Module
    splits: Splits
    tx: optax.GradientTransformationExtraArgs

    @property
    def total_steps(self) -> int:
        """The length of the run."""
        return total_steps(self.config.optim, self.splits.steps_per_epoch)

    @property
    def schedule(self) -> Schedule:
        """rate(step) of the run."""
        return make_schedule(self.config.optim, self.splits.steps_per_epoch)

    @property
    def model_args(self) -> dict[str, Any]:
        """The fields that make the network from its name."""
        return {"num_classes": len(self.splits.class_names)} | self.config.model_args

    def epoch(self, step: int) -> float:
        """The epoch that `step` lies in, for the log."""
        return round(step / self.splits.steps_per_epoch, 4)

    def metadata(self) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "config": to_dict(self.config),
            "model": self.config.model,
            "model_args": self.model_args,
            "preprocessing": self.splits.preprocess.to_dict(),
            "class_names": self.splits.class_names,
            "eval_split": self.splits.eval_split,
        }


def build_model(config: Config, num_classes: int | None = None) -> Any:
    """The network of `config`; raises ConfigError for a network or a field that does not exist.

    With `num_classes` the network must have so many, which is what it gets if nothing else is set.
    """
    fields = dict(config.model_args)
    if num_classes is not None and fields.setdefault("num_classes", num_classes) != num_classes:
        raise ConfigError(
            f"config.model_args sets num_classes={fields['num_classes']}, but {config.data.name} "
            f"has {num_classes}"
        )
    try:
        return create_model(config.model, dtype=jnp.dtype(config.precision), **fields)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"config.model: {error}") from None


def build(config: Config, devices: Sequence[Any] | None = None) -> Setup:
    """Opens the data and makes network, optimizer and feeds on a mesh of `devices` (default: all).

    Raises ConfigError or DataError where they do not fit together.
    """
    data, sliced = config.data, config.sharding.model_parallel_linear
    mesh = make_mesh(config.sharding, None if devices is None else list(devices))
    layout.check_batch(mesh, data.batch_size, config.optim.accumulate, whole_mesh=sliced)
    layout.check_batch(
        mesh,
        data.eval_batch_size or data.batch_size,
        field="data.eval_batch_size",
        whole_mesh=sliced,
    )
    source = open_source(data, data.train_split)
    eval_split = data.eval_split or default_eval_split(source)
    model = build_model(config, len(source.class_names))
    preprocess = resolve(data, model.input_shape, source)
    steps_per_epoch = len(source) / data.batch_size
    check_length(config.optim, steps_per_epoch)
    return Setup(
        config=config,
        mesh=mesh,
        model=model,
        splits=Splits(
            class_names=source.class_names,
            preprocess=preprocess,
            training=make_feed(
                data, data.train_split, preprocess, mesh, train=True, seed=config.seed
            ),
            evaluation=make_feed(data, eval_split, preprocess, mesh, train=False),
            eval_split=eval_split,
            steps_per_epoch=steps_per_epoch,
        ),
        tx=make_optimizer(config.optim, steps_per_epoch, config.frozen),
    )


def initial_state(setup: Setup) -> tuple[State, Callable[[], State]]:
    """(abstract state with shardings, function that computes the fresh state there).

    Raises ConfigError where the network cannot take the images, or a pattern names no layer.
    """
    config, shape = setup.config, setup.splits.preprocess.shape

    def init(key):
        return init_state(key, setup.model, setup.tx, shape, ema=config.optim.ema > 0)

    key = jax.random.key(config.seed)
    try:
        abstract = jax.eval_shape(init, key)
        check_patterns(abstract.params, config.frozen)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{config.model} does not fit the data or its settings: {one_line(error, 400)}"
        ) from None
    shardings = layout.state_shardings(
        setup.mesh, config.sharding, abstract, layout.has_towers(setup.mesh, setup.model)
    )
    like = jax.tree.map(
        lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings
    )
    return like, lambda: jax.jit(init, out_shardings=shardings)(key)


def checkpoints_mib(config: Config, like: State) -> float:
    """Disk space in MiB that a run's checkpoints take at most.

    They are those kept, the best, and the one that is being written.
    """
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like))
    return (config.keep + 2) * size / 2**20
