"""The trainer's own step of a config, compiled for a mesh on described images; nothing runs."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.costs.collectives import read, totals
from jaxcnn.data.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from jaxcnn.errors import ConfigError
from jaxcnn.parallel.mesh import make_mesh, over_data
from jaxcnn.train import layout
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.feed import Batch, Item, Store
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.setup import Setup, Splits, build_model, initial_state
from jaxcnn.train.state import State

STEPS_PER_EPOCH = 1000.0  # of the dataset that is not there


@dataclasses.dataclass(frozen=True)
class Described:
    """A feed whose one batch is only described, by shapes, types and where it lies."""

    batch: Item
    kind: str = "described"
    size: int = 0
    store: Store = dataclasses.field(default_factory=dict)

    def items(self, start_step: int = 0) -> Iterator[Item]:
        """The description, once."""
        del start_step
        yield self.batch

    def fetch(self, store: Store, item: Item) -> Batch:
        """The item is the batch."""
        del store
        return item


def described_setup(config: Config, image_size: int) -> Setup:
    """What `setup.build` makes of `config`, with RGB images that are only described for a dataset.

    Raises ConfigError where the batch does not divide over the mesh.
    """
    place, rows = config.sharding, config.data.batch_size
    mesh = make_mesh(place, jax.devices()[: place.data * place.model])
    model = build_model(config)
    layout.check_batch(mesh, rows, whole_mesh=place.model_parallel_linear)
    preprocess = Preprocess(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD)

    def array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=over_data(mesh))

    feed = Described(
        {
            "image": array((rows, *preprocess.shape), jnp.uint8),
            "label": array((rows,), jnp.int32),
            "mask": array((rows,), jnp.float32),
        }
    )
    return Setup(
        config=config,
        mesh=mesh,
        model=model,
        splits=Splits(
            class_names=[str(i) for i in range(model.num_classes)],
            preprocess=preprocess,
            training=feed,
            evaluation=feed,
            eval_split="",
            steps_per_epoch=STEPS_PER_EPOCH,
        ),
        tx=make_optimizer(config.optim, STEPS_PER_EPOCH, config.frozen),
    )


def compile_train_step(setup: Setup) -> tuple[jax.stages.Compiled, State]:
    """The trainer's own step of a described setup, compiled for its mesh but not run.

    With it comes the abstract state that it takes.
    """
    state, _ = initial_state(setup)
    feed = setup.splits.training
    train_step = compile_steps(setup, state).train
    return train_step.lower(state, feed.store, (next(feed.items()),)).compile(), state


def train_step_row(
    name: str,
    place: Sharding,
    *,
    batch: int,
    image_size: int,
    model_args: Mapping[str, Any] | None = None,
    precision: str = "float32",
) -> dict[str, Any]:
    """Collectives of one network's training step with `batch` images on each device of `data`.

    The step is SGD with momentum and weight decay, with flips. BatchNorm takes groups of those
    `batch` images unless `model_args` sets another `bn_group_size`. `donated` is the share of a
    device's state that the step overwrites in place. Raises ConfigError for a mesh that is larger
    than the machine.
    """
    if place.data * place.model > len(jax.devices()):
        raise ConfigError(
            f"a mesh of data={place.data} model={place.model} needs more than the "
            f"{len(jax.devices())} devices here"
        )
    config = Config(
        model=name,
        model_args=dict(model_args or {}),
        data=Data(batch_size=batch * place.data, augment=("flip",)),
        optim=Optim(name="momentum", learning_rate=0.01, weight_decay=1e-4),
        sharding=place,
        precision=precision,
    )
    if hasattr(build_model(config), "bn_group_size"):
        config.model_args.setdefault("bn_group_size", batch)
    compiled, state = compile_train_step(described_setup(config, image_size))
    row: dict[str, Any] = {
        "model": name,
        "mesh": _mesh_text(place),
        "batch": config.data.batch_size,
        "image_size": image_size,
        "model_args": ", ".join(f"{k}={v!r}" for k, v in config.model_args.items()),
        "device": jax.devices()[0].platform,
        "parameter_bytes": sum(_bytes(x, x.shape) for x in jax.tree.leaves(state.params)),
    }
    for kind, sums in totals(read(compiled.as_text())).items():
        column = kind.replace("-", "_")
        row |= {column: sums["count"], f"{column}_bytes": sums["bytes"]}
    held = sum(_bytes(x, x.sharding.shard_shape(x.shape)) for x in jax.tree.leaves(state))
    memory: Any = compiled.memory_analysis()
    return row | {"donated": round(memory.alias_size_in_bytes / held, 4)}


def _bytes(x: Any, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * x.dtype.itemsize


def _mesh_text(place: Sharding) -> str:
    text = f"data={place.data},model={place.model}"
    return text + ",fsdp" * place.fsdp + ",slices" * place.model_parallel_linear
