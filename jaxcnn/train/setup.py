"""What a config stands for: opens the data, makes the network, the optimizer and the mesh."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxcnn import own
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.base import Source
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import ConfigError, one_line
from jaxcnn.layers.naming import check_patterns
from jaxcnn.models import create_model, has_field
from jaxcnn.parallel.mesh import make_mesh
from jaxcnn.train import layout
from jaxcnn.train.feed import Feed, make_feed
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.own_functions import check_network, references
from jaxcnn.train.schedules import Schedule, check_length, make_schedule, total_steps
from jaxcnn.train.state import State, init_state

TRIED = 10  # classes with which a network of the user's is made before the data is known


@dataclasses.dataclass(frozen=True)
class Splits:
    """The training and the evaluation split as batches on the devices, and their images' form."""

    class_names: list[str]
    preprocess: Preprocess
    training: Feed
    evaluation: Feed
    eval_split: str
    steps_per_epoch: float
    maps: bool = False  # whether each label is a map of classes


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
        classes = {"num_classes": len(self.splits.class_names)}
        return (classes if hasattr(self.model, "num_classes") else {}) | self.config.model_args

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
            # where what the user wrote was found
            "own_folders": own.folders_of(references(self.config)),
        }


def build_model(config: Config, num_classes: int | None = None) -> Any:
    """The network of `config`; raises ConfigError for a network or a field that does not exist.

    With `num_classes` the network must have so many, which is what it gets if nothing else is set.
    A network of your own need not have the fields `num_classes` and `dtype`.
    """
    fields = dict(config.model_args)
    if num_classes is not None and fields.get("num_classes", num_classes) != num_classes:
        raise ConfigError(
            f"config.model_args sets num_classes={fields['num_classes']}, but {config.data.name} "
            f"has {num_classes}"
        )
    try:
        if num_classes is None and own.is_reference(config.model):
            num_classes = TRIED  # its field may have no default
        if num_classes is not None and has_field(config.model, "num_classes"):
            fields.setdefault("num_classes", num_classes)
        if has_field(config.model, "dtype"):
            fields["dtype"] = jnp.dtype(config.precision)
        elif config.precision != "float32":
            raise ConfigError(
                f"{config.model} has no field dtype, so it cannot compute in {config.precision}; "
                'give it one, or set config.precision="float32"'
            )
        return create_model(config.model, **fields)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"config.model: {error}") from None


def input_shape(model: nn.Module, data: Data, source: Source | None) -> tuple[int, int, int]:
    """[H, W, C] of the images that a network is for: its field, else the size of the data's images.

    Raises ConfigError where a network of your own has no field `input_shape` and the images have
    no size in common.
    """
    if shape := getattr(model, "input_shape", None):
        return tuple(shape)
    if source and source.image_shape:
        return source.image_shape
    if not data.image_size:
        raise ConfigError(
            f"{type(model).__name__} has no field input_shape, and the images of {data.name} are "
            "of several sizes; set config.data.image_size"
        )
    return data.image_size, data.image_size, data.channels or 3


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
    _check_answers(model, source)
    preprocess = resolve(data, input_shape(model, data, source), source)
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
            maps=source.maps,
        ),
        tx=make_optimizer(config.optim, steps_per_epoch, config.frozen),
    )


def _check_answers(model: nn.Module, source: Source) -> None:
    """Raises ConfigError unless network and data both speak of pixels, or both of images."""
    pixels = getattr(model, "per_pixel", False)
    if pixels == source.maps:
        return
    name = type(model).__name__
    if pixels:
        raise ConfigError(
            f"{name} gives a class for every pixel and {source.name} has one label an image; train "
            "it on shapes, mask_folder or another dataset of masks"
        )
    raise ConfigError(
        f"{source.name} has a label for every pixel and {name} gives one class an image; train a "
        "network of configs/fcn.py on it"
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
        if own.is_reference(config.model):
            classes = len(setup.splits.class_names)
            check_network(setup.model, shape, (*shape[:2] * setup.splits.maps, classes))
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
