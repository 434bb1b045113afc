"""A look before the leap: what a run would read, what the network would see, and which of loader and step would wait for the other.

`sheet` is drawn at every start; `preflight` does all of it, trains nothing and leaves no checkpoint.
"""

import pathlib
import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.draw.contact_sheet import contact_sheet
from jaxcnn.parallel import processes
from jaxcnn.run import workdir as workdir_lib
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.setup import Parts, build, checkpoints_mib, initial_state
from jaxcnn.weights.labels import readable

SHEET = "first_batch.png"
SHOWN = 64  # images on the sheet


def sheet(parts: Parts, path: pathlib.Path) -> pathlib.Path:
    """Draws the first training batch as the network sees it, cropped and augmented, each image above its class; returns `path`.

    The colours are those before normalisation. Of several processes all call it and process 0 draws its share.
    """
    config, mean, std = (
        parts.config,
        parts.preprocess.offset(),
        np.asarray(parts.preprocess.std, np.float32),
    )
    prepare = make_prepare(config.data, parts.preprocess, len(parts.class_names), train=True)
    batch = jax.jit(parts.train_feed.fetch)(parts.train_feed.store, next(parts.train_feed.items(0)))
    own = {name: jnp.asarray(_own_rows(x)[:SHOWN]) for name, x in batch.items()}
    images, _ = jax.jit(prepare)(jax.random.key(config.seed), own)
    pixels = np.clip(np.round(np.asarray(images) * std + mean), 0, 255).astype(
        np.uint8
    )  # [B, S, S, C]
    shown = {"image": pixels, "label": np.asarray(own["label"]), "mask": np.asarray(own["mask"])}
    return (
        contact_sheet(shown, readable(parts.class_names), path, SHOWN)
        if jax.process_index() == 0
        else path
    )


def _own_rows(x: jax.Array) -> np.ndarray:
    """The rows of a batch that lie on this process's devices, each once."""
    shards = {shard.index[0].start or 0: shard.data for shard in x.addressable_shards}
    return np.concatenate([np.asarray(shards[start]) for start in sorted(shards)])


def loader_rate(parts: Parts, seconds: float) -> float:
    """Training images a second that the loader delivers to all devices, without a network, if every process is as fast as this one."""
    items = parts.train_feed.items(0)
    jax.block_until_ready(next(items))  # starting the threads does not count
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        jax.block_until_ready(next(items))
        count += 1
    return count * parts.config.data.batch_size / (time.perf_counter() - started)


def step_rate(parts: Parts, seconds: float) -> tuple[float, float]:
    """(images a second of the training step on one batch over and over for about `seconds`, seconds that compiling it took)."""
    like, fresh = initial_state(parts)
    train_step, _ = compile_steps(parts, like)
    state, batch = fresh(), (next(parts.train_feed.items(0)),)
    started = time.perf_counter()
    state, sums = train_step(state, parts.train_feed.store, batch)
    jax.block_until_ready(sums)
    compiling = time.perf_counter() - started

    def timed(count: int) -> float:
        nonlocal state
        started = time.perf_counter()
        for _ in range(count):
            state, sums = train_step(state, parts.train_feed.store, batch)
            jax.block_until_ready(sums)
        return time.perf_counter() - started

    each = timed(1)
    # Processes exchange something in every step: one that takes more steps than the others would wait for them for ever.
    count = processes.from_first("preflight steps", lambda: max(2, round(seconds / each)))
    return count * parts.config.data.batch_size / timed(count), compiling


def preflight(config: Config, workdir: str | pathlib.Path, seconds: float = 5.0) -> Iterator[str]:
    """Yields one line for each thing looked at, as it is found. Trains nothing.

    Raises ConfigError, DataError or guard.RunError with one sentence where the run could not start.
    """
    validate(config)
    path = workdir_lib.open_workdir(workdir)
    yield f"workdir   {path} can be written"
    for name, (old, new) in workdir_lib.check_config(path, config).items():
        yield f"          it holds a run whose {name} was {old!r}, now {new!r}"
    parts = build(config)
    data, mesh = config.data, " x ".join(f"{n} {axis}" for axis, n in parts.mesh.shape.items())
    yield f"data      {data.name}: {parts.train_feed.size:,} images in {data.train_split}, {parts.eval_feed.size:,} in {parts.eval_split}"
    names = ", ".join(parts.class_names[:3])
    yield f"          {len(parts.class_names):,} classes ({names} ...), {parts.preprocess.image_size} pixels"
    like, _ = initial_state(parts)
    need = checkpoints_mib(config, like)
    workdir_lib.check_space(path, need)
    yield f"disk      room for the run's checkpoints, about {need:,.0f} MiB"
    yield f"picture   {sheet(parts, path / SHEET)}: the first batch as the network sees it"
    step, compiling = step_rate(parts, seconds)
    yield f"step      {step:,.0f} img/s on {mesh} ({jax.devices()[0].platform}), compiled in {compiling:.0f} s"
    if parts.train_feed.store:
        yield "loader    none: the training set lies on the device"
        return
    loader = loader_rate(parts, seconds)
    verdict = (
        f"enough: {loader / step:.1f} times the step's rate"
        if loader >= step
        else f"the step would wait {1 - loader / step:.0%} of its time"
    )
    yield f"loader    {loader:,.0f} img/s with {data.threads or 'one'} threads{'' if data.threads else ' a core'}; {verdict}"
