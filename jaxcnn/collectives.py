"""What a compiled program sends between devices: its collectives, read from the compiled text, with bytes and the layer they serve."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn import feed, optim, sharding, step
from jaxcnn.config import Config, ConfigError, Data, Optim, Sharding
from jaxcnn.data.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from jaxcnn.parts import Parts, build_model, compile_steps, initial_state

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
BYTES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
CALL = re.compile(rf" = (?P<shapes>.*?) (?P<kind>{'|'.join(KINDS)})(?P<start>-start)?\(")
SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
NAME = re.compile(r'op_name="([^"]*)"')


@dataclass(frozen=True)
class Collective:
    """One collective instruction; `bytes` is the whole array that a device ends with or, of a reduce-scatter, begins with."""

    kind: str
    bytes: int
    devices: int  # that take part in each of its groups
    name: str  # of the traced operation: jit(step)/jvp(AlexNet)/conv3/shard_map/all_gather
    arrays: int = 1  # the compiler combines several into one


def read(text: str | None) -> list[Collective]:
    """The collectives in a compiled program's text (`compiled.as_text()`), in its order; those of a single device are none."""
    return [found for line in (text or "").splitlines() if (found := _collective(line)) and found.devices > 1]


def _collective(line: str) -> Collective | None:
    call = CALL.search(line)
    if call is None:
        return None
    kind = call["kind"]
    sizes = [BYTES[dtype] * math.prod(int(n) for n in shape.split(",") if n) for dtype, shape in SHAPE.findall(call["shapes"])]
    if call["start"] and kind != "all-reduce":  # asynchronous: operands, results, and of a permute two counters
        sizes = [size for size in sizes if size > 4 or kind != "collective-permute"]
        sizes = sizes[len(sizes) // 2 :]
    devices = _group_size(line)
    name = NAME.search(line)
    moved = sum(sizes) * (devices if kind == "reduce-scatter" else 1)
    return Collective(kind, moved, devices, name[1] if name else "", len(sizes))


def _group_size(line: str) -> int:
    """Devices in a group, in any of the three ways in which XLA writes groups; 2 for the pairs of a permute."""
    if "source_target_pairs=" in line:
        return 2
    if lists := re.search(r"replica_groups=\{\{([\d,]*)\}", line):
        return len(lists[1].split(","))
    if iota := re.search(r"replica_groups=\[\d+,(\d+)\]<=", line):
        return int(iota[1])
    axes = re.search(r"replica_groups=mesh\[([^\]]*)\][^{]*\{([^}]*)\}", line)
    if axes is None:
        raise ValueError(f"there is no group of devices to read in {line.strip()[:200]!r}")
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", axes[1]))
    return math.prod(int(part or sizes[axis]) for axis, part in re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", axes[2]))


def totals(found: Iterable[Collective]) -> dict[str, dict[str, int]]:
    """{kind: {"count": instructions, "bytes": theirs}} for every kind, those that do not occur included."""
    sums = {kind: {"count": 0, "bytes": 0} for kind in KINDS}
    for collective in found:
        sums[collective.kind]["count"] += 1
        sums[collective.kind]["bytes"] += collective.bytes
    return sums


def abstract_parts(config: Config, image_size: int) -> Parts:
    """What `parts.build` makes of `config`, but with a batch of RGB images that are only described in place of a dataset."""
    mesh = sharding.make_mesh(config.sharding, jax.devices()[: config.sharding.data * config.sharding.model])
    model, arguments = build_model(config, None)
    sharding.check_batch(mesh, config.data.batch_size, whole_mesh=config.sharding.model_parallel_linear)
    tx, schedule = optim.make_optimizer(config.optim, 1000), optim.make_schedule(config.optim, 1000)
    return Parts(
        config=config, model=model, model_args=arguments, class_names=[str(i) for i in range(model.num_classes)], mesh=mesh, tx=tx,
        preprocess=Preprocess(image_size, mean=IMAGENET_MEAN, std=IMAGENET_STD), schedule=schedule, steps_per_epoch=1000, total_steps=1000,
        train_feed=feed.Streamed, eval_feed=feed.Streamed, eval_split="",
    )  # fmt: skip


def compile_train_step(parts: Parts) -> tuple[jax.stages.Compiled, step.State]:
    """The trainer's own step of `parts`, compiled for its mesh but not run, and the abstract state that it takes."""
    state, _ = initial_state(parts)
    rows, over = parts.config.data.batch_size, sharding.over_data(parts.mesh)
    shapes = {"image": ((rows, *parts.preprocess.shape), jnp.uint8), "label": ((rows,), jnp.int32), "mask": ((rows,), jnp.float32)}
    batch = {name: jax.ShapeDtypeStruct(shape, dtype, sharding=over) for name, (shape, dtype) in shapes.items()}
    train_step, _ = compile_steps(parts, state)
    return train_step.lower(state, {}, (batch,)).compile(), state


def train_step_row(
    name: str, place: Sharding, *, batch: int, image_size: int, model_args: str = "", precision: str = "float32"
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
        raise ConfigError(f"a mesh of data={place.data} model={place.model} needs more than the {len(jax.devices())} devices here")
    parts = abstract_parts(config, image_size)
    compiled, state = compile_train_step(parts)
    held = sum(math.prod(x.sharding.shard_shape(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(state))
    aliased: Any = compiled.memory_analysis()
    mesh = f"data={place.data},model={place.model}" + ",fsdp" * place.fsdp + ",slices" * place.model_parallel_linear
    row: dict[str, Any] = {"model": name, "mesh": mesh, "batch": config.data.batch_size}
    row |= {"image_size": image_size, "model_args": config.model_args, "device": jax.default_backend()}
    row |= {"parameter_bytes": sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.params))}
    for kind, sums in totals(read(compiled.as_text())).items():
        row |= {kind.replace("-", "_"): sums["count"], kind.replace("-", "_") + "_bytes": sums["bytes"]}
    return row | {"donated": round(aliased.alias_size_in_bytes / held, 4)}
