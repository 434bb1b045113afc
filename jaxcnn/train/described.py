"""The trainer's own step of a config, compiled for a mesh on described images; nothing runs."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.costs.collectives import read, totals
from jaxcnn.data.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.base import Source
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.parallel.mesh import make_mesh, over_data
from jaxcnn.train import layout
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.feed import Batch, Item, Store
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.setup import TRIED, Setup, Splits, build_model, initial_state, input_shape
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


def described_setup(
    config: Config, image_size: int = 0, devices: Sequence[Any] | None = None
) -> Setup:
    """What `setup.build` makes of `config`, with images that are only described for a dataset.

    They are what the config says, or RGB of `image_size` pixels where that is given. Of a dataset
    that is not here the network's own number of classes and ImageNet's colours are taken. The mesh
    is one of `devices`, by default of this machine's. Raises ConfigError where the batch does not
    divide over it.
    """
    place, rows = config.sharding, config.data.batch_size
    if devices is None:
        devices = jax.devices()[: max(place.data * place.model, 0) or None]
    mesh = make_mesh(place, list(devices))
    source = None if image_size else _source(config)
    model = build_model(config, len(source.class_names) if source else None)
    layout.check_batch(mesh, rows, config.optim.accumulate, whole_mesh=place.model_parallel_linear)
    preprocess = Preprocess(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if not image_size:
        preprocess = resolve(
            _without_files(config.data, source), input_shape(model, config.data, source), source
        )
    return Setup(
        config=config,
        mesh=mesh,
        model=model,
        splits=Splits(
            class_names=[str(i) for i in range(getattr(model, "num_classes", TRIED))],
            preprocess=preprocess,
            training=_feed(mesh, rows, preprocess),
            evaluation=_feed(mesh, config.data.eval_batch_size or rows, preprocess),
            eval_split="",
            steps_per_epoch=STEPS_PER_EPOCH,
        ),
        tx=make_optimizer(config.optim, STEPS_PER_EPOCH, config.frozen),
    )


def _feed(mesh: Mesh, rows: int, preprocess: Preprocess) -> Described:
    """A batch of `rows` uint8 images [rows, S, S, C] with labels, divided over `data`."""

    def array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=over_data(mesh))

    return Described(
        {
            "image": array((rows, *preprocess.shape), jnp.uint8),
            "label": array((rows,), jnp.int32),
            "mask": array((rows,), jnp.float32),
        }
    )


def _source(config: Config) -> Source | None:
    """The training split where it is on this machine, else None."""
    try:
        return open_source(config.data, config.data.train_split)
    except DataError:
        return None


def _without_files(data: Data, source: Source | None) -> Data:
    """The settings without what only a dataset has: a mean image, a whitening of its pixels."""
    if source is not None:
        return data
    plain = dataclasses.replace(data, pixel_mean="", pca="")
    return dataclasses.replace(plain, whiten="gcn") if data.whiten else plain


def compile_train_step(setup: Setup) -> tuple[jax.stages.Compiled, State]:
    """The trainer's own step of a described setup, compiled for its mesh but not run.

    With it comes the abstract state that it takes.
    """
    state, _ = initial_state(setup)
    feed = setup.splits.training
    train_step = compile_steps(setup, state).train
    return train_step.lower(state, feed.store, (next(feed.items()),)).compile(), state


def compile_eval_step(setup: Setup) -> jax.stages.Compiled:
    """The trainer's own evaluation step of a described setup, compiled but not run."""
    state, _ = initial_state(setup)
    feed = setup.splits.evaluation
    evaluate = compile_steps(setup, state).evaluate
    return evaluate.lower(state.eval_variables, feed.store, next(feed.items())).compile()


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
