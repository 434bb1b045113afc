"""A look at a run before it starts: what it reads, what the network sees, what it would wait for.

`sheet` is drawn at every start; `preflight` does all of it, trains nothing and leaves no
checkpoint.
"""

import pathlib
import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.draw.contact_sheet import captioned_sheet, contact_sheet
from jaxcnn.draw.segments import VOID, overlay
from jaxcnn.parallel.processes import from_first
from jaxcnn.run.workdir import check_config, check_space, open_workdir
from jaxcnn.train import layout
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.setup import Setup, build, build_model, checkpoints_mib, initial_state
from jaxcnn.train.start import check_init_from
from jaxcnn.weights.labels import readable

SHEET = "first_batch.png"
SHOWN = 64  # images on the sheet


def sheet(setup: Setup, path: pathlib.Path) -> pathlib.Path:
    """Draws the first training batch as the network sees it; returns `path`.

    The images are cropped and augmented, each above its class, in the colours before
    normalisation. Of several processes all call it, and process 0 draws its share.
    """
    config, splits = setup.config, setup.splits
    preprocess, feed = splits.preprocess, splits.training
    prepare = make_prepare(config.data, preprocess, len(splits.class_names), train=True)
    batch = jax.jit(feed.fetch)(feed.store, next(feed.items(0)))
    own = {name: jnp.asarray(_own_rows(x)[:SHOWN]) for name, x in batch.items()}
    images, targets = jax.jit(prepare)(jax.random.key(config.seed), own)  # [B, S, S, C]
    pixels = np.asarray(images) * np.asarray(preprocess.std, np.float32) + preprocess.offset()
    pixels = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    if targets.ndim == 4 and jax.process_index() == 0:
        return _sheet_of_maps(pixels, np.asarray(targets), readable(splits.class_names), path)
    shown = {
        "image": pixels,
        "label": np.asarray(own["label"]),
        "mask": np.asarray(own["mask"]),
    }
    if jax.process_index() == 0:
        contact_sheet(shown, readable(splits.class_names), path, SHOWN)
    return path


def _sheet_of_maps(
    images: np.ndarray, targets: np.ndarray, class_names: list[str], path: pathlib.Path
) -> pathlib.Path:
    """Draws images under the colours of their pixels' classes, above the names of three of these.

    Class 0, the background, is neither painted nor named.
    """
    inside = targets.sum(axis=-1) > 0  # [B, S, S]
    maps = np.where(inside, targets.argmax(axis=-1), VOID).astype(np.uint8)
    captions = [[class_names[k] for k in np.unique(m[(m > 0) & (m < VOID)])][:3] for m in maps]
    pictures = [overlay(image, classes) for image, classes in zip(images, maps, strict=True)]
    return captioned_sheet(pictures, captions, path)


def _own_rows(x: jax.Array) -> np.ndarray:
    """The rows of a batch that lie on this process's devices, each once."""
    shards = {shard.index[0].start or 0: shard.data for shard in x.addressable_shards}
    return np.concatenate([np.asarray(shards[start]) for start in sorted(shards)])


def loader_rate(setup: Setup, seconds: float) -> float:
    """Training images a second that the loader delivers to all devices, without a network.

    Right if every process is as fast as this one.
    """
    items = setup.splits.training.items(0)
    jax.block_until_ready(next(items))  # starting the threads does not count
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        jax.block_until_ready(next(items))
        count += 1
    return count * setup.config.data.batch_size / (time.perf_counter() - started)


def step_rate(setup: Setup, seconds: float) -> tuple[float, float]:
    """(images a second of the training step, seconds that compiling it took).

    It takes one batch over and over for about `seconds`.
    """
    like, fresh = initial_state(setup)
    feed, steps = setup.splits.training, compile_steps(setup, like)
    state, batch = fresh(), (next(feed.items(0)),)

    def timed(count: int) -> float:
        nonlocal state
        started = time.perf_counter()
        for _ in range(count):
            state, sums = steps.train(state, feed.store, batch)
            jax.block_until_ready(sums)
        return time.perf_counter() - started

    compiling, each = timed(1), timed(1)
    # Processes exchange something in every step: one that takes more steps than the others would
    # wait for them for ever.
    count = from_first("preflight steps", lambda: max(2, round(seconds / each)))
    return count * setup.config.data.batch_size / timed(count), compiling


def preflight(config: Config, workdir: str | pathlib.Path, seconds: float = 5.0) -> Iterator[str]:
    """Yields one line for each thing looked at, as it is found. Trains nothing.

    Raises ConfigError, DataError or RunError with one sentence where the run could not start.
    """
    validate(config)
    build_model(config)
    check_init_from(config, pathlib.Path(workdir))
    path = open_workdir(workdir)
    yield f"workdir   {path} can be written"
    for name, (old, new) in check_config(path, config).items():
        yield f"          it holds a run whose {name} was {old!r}, now {new!r}"
    setup = build(config)
    data, splits = config.data, setup.splits
    training, evaluation = splits.training, splits.evaluation
    yield (
        f"data      {data.name}: {training.size:,} images in {data.train_split}, "
        f"{evaluation.size:,} in {splits.eval_split}"
    )
    names = ", ".join(splits.class_names[:3])
    yield (
        f"          {len(splits.class_names):,} classes ({names} ...), "
        f"{splits.preprocess.image_size} pixels"
    )
    like, _ = initial_state(setup)
    need = checkpoints_mib(config, like)
    check_space(path, need)
    yield f"disk      room for the run's checkpoints, about {need:,.0f} MiB"
    yield f"picture   {sheet(setup, path / SHEET)}: the first batch as the network sees it"
    step, compiling = step_rate(setup, seconds)
    where = layout.described(setup.mesh)
    yield f"step      {step:,.0f} img/s on {where}, compiled in {compiling:.0f} s"
    if training.store:
        yield "loader    none: the training set lies on the device"
        return
    loader = loader_rate(setup, seconds)
    threads = f"{data.threads} threads" if data.threads else "one thread a core"
    if loader >= step:
        verdict = f"enough: {loader / step:.1f} times the step's rate"
    else:
        verdict = f"the step would wait {1 - loader / step:.0%} of its time"
    yield f"loader    {loader:,.0f} img/s with {threads}; {verdict}"
