"""The trainer's own step of a config, compiled for a mesh on described images; nothing runs."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.costs.collectives import read, totals
from jaxcnn.data.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from jaxcnn.errors import ConfigError
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import feed, layout, optim, schedules
from jaxcnn.train import state as state_lib
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.setup import Parts, build_model, initial_state


def abstract_parts(config: Config, image_size: int) -> Parts:
    """What `parts.build` makes of `config`, but with a batch of RGB images that are only described in place of a dataset."""
    mesh = mesh_lib.make_mesh(
        config.sharding, jax.devices()[: config.sharding.data * config.sharding.model]
    )
    model, arguments = build_model(config, None)
    layout.check_batch(
        mesh, config.data.batch_size, whole_mesh=config.sharding.model_parallel_linear
    )
    tx, schedule = (
        optim.make_optimizer(config.optim, 1000),
        schedules.make_schedule(config.optim, 1000),
    )
    return Parts(
        config=config, model=model, model_args=arguments, class_names=[str(i) for i in range(model.num_classes)], mesh=mesh, tx=tx,
        preprocess=Preprocess(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD), schedule=schedule, steps_per_epoch=1000, total_steps=1000,
        train_feed=feed.Streamed, eval_feed=feed.Streamed, eval_split="",
    )  # fmt: skip


def compile_train_step(parts: Parts) -> tuple[jax.stages.Compiled, state_lib.State]:
    """The trainer's own step of `parts`, compiled for its mesh but not run, and the abstract state that it takes."""
    state, _ = initial_state(parts)
    rows, over = parts.config.data.batch_size, mesh_lib.over_data(parts.mesh)
    shapes = {
        "image": ((rows, *parts.preprocess.shape), jnp.uint8),
        "label": ((rows,), jnp.int32),
        "mask": ((rows,), jnp.float32),
    }
    batch = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=over)
        for name, (shape, dtype) in shapes.items()
    }
    train_step, _ = compile_steps(parts, state)
    return train_step.lower(state, {}, (batch,)).compile(), state


def train_step_row(
    name: str,
    place: Sharding,
    *,
    batch: int,
    image_size: int,
    model_args: str = "",
    precision: str = "float32",
) -> dict[str, Any]:
    """Collectives of one network's training step (SGD with momentum and weight decay, flips) with `batch` images on each device.

    BatchNorm takes groups of those `batch` images unless `model_args` sets another `bn_group_size`. `donated` is the share of a
    device's state that the step overwrites in place.
    """
    config = Config(model=name, model_args=model_args, sharding=place, precision=precision)
    config.data = Data(batch_size=batch * place.data, augment=("flip",))
    config.optim = Optim(name="momentum", learning_rate=0.01, weight_decay=1e-4)
    model, given = build_model(config, None)
    if "bn_group_size" not in given and hasattr(model, "bn_group_size"):
        config.model_args = f"{model_args}, bn_group_size={batch}".lstrip(", ")
    if place.data * place.model > len(jax.devices()):
        raise ConfigError(
            f"a mesh of data={place.data} model={place.model} needs more than the {len(jax.devices())} devices here"
        )
    parts = abstract_parts(config, image_size)
    compiled, state = compile_train_step(parts)
    held = sum(
        math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize
        for x in jax.tree.leaves(state)
    )
    aliased: Any = compiled.memory_analysis()
    mesh = (
        f"data={place.data},model={place.model}"
        + ",fsdp" * place.fsdp
        + ",slices" * place.model_parallel_linear
    )
    row: dict[str, Any] = {"model": name, "mesh": mesh, "batch": config.data.batch_size}
    row |= {
        "image_size": image_size,
        "model_args": config.model_args,
        "device": parts.mesh.devices.flat[0].platform,
    }
    row |= {
        "parameter_bytes": sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.params))
    }
    for kind, sums in totals(read(compiled.as_text())).items():
        row |= {
            kind.replace("-", "_"): sums["count"],
            kind.replace("-", "_") + "_bytes": sums["bytes"],
        }
    return row | {"donated": round(aliased.alias_size_in_bytes / held, 4)}
