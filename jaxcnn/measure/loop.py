"""What the training loop adds to the compiled step, and what augmentation adds inside it."""

import dataclasses
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from jaxcnn.config.schema import Config
from jaxcnn.train.compile import TrainStep, compile_steps
from jaxcnn.train.loop import IN_FLIGHT, train
from jaxcnn.train.setup import build, initial_state

EVERY = 100  # steps in one measurement
WARM_UP = 20  # steps before a measurement of the bare step
AUGMENTED = 5  # steps in one measurement of augmentation, whose networks are larger


def loop_times(config: Config, n: int = 5) -> Iterator[dict[str, Any]]:
    """One row for each way in, resident and streamed: medians over `n` stretches of 100 steps.

    `bare_ms` is the compiled step called again and again on one batch, `step_ms` the training
    loop's time a step (feed, metrics, logging, checks; no evaluation or checkpoint falls into the
    stretches), `overhead_ms` their difference and `input_wait` the share of the time that the loop
    waited for data. Loop and bare stretches alternate, so that a busy machine slows both.
    """
    for resident in ("yes", "no"):
        quiet = dataclasses.replace(
            config,
            data=dataclasses.replace(config.data, resident=resident),
            optim=dataclasses.replace(config.optim, steps=2 * EVERY),
            eval_every=1e6,
            checkpoint_every=1e6,
            log_every=EVERY,
            tensorboard=False,
            steps_per_dispatch=1,
        )
        setup = build(quiet)
        feed = setup.splits.training
        like, fresh = initial_state(setup)
        step, item = compile_steps(setup, like).train, next(feed.items(0))
        bare, looped, waits = [], [], []
        for _ in range(n):
            row = _loop_stretch(quiet)
            looped.append(row["step_ms"])
            waits.append(row["input_wait"])
            bare.append(_bare_stretch(step, fresh(), feed.store, item))
        bare_ms, step_ms = statistics.median(bare), statistics.median(looped)
        yield {
            "model": config.model,
            "data": config.data.name,
            "batch": config.data.batch_size,
            "feed": feed.kind,
            "bare_ms": round(bare_ms, 3),
            "step_ms": round(step_ms, 3),
            "overhead_ms": round(step_ms - bare_ms, 3),
            "input_wait": round(statistics.median(waits), 4),
            "n": n,
        }


def augmentation_times(config: Config, n: int = 5) -> Iterator[dict[str, Any]]:
    """What `config.data.augment` adds to the compiled training step.

    One row for all of it together and one for each of it alone. Steps with and without take turns
    on one batch that lies on the device; medians over n turns of 5 steps. `share` is of the step
    with it.
    """
    with_one = [(name,) for name in config.data.augment] if len(config.data.augment) > 1 else []
    turns = {names: _compiled(config, names) for names in ((), config.data.augment, *with_one)}
    taken: dict[tuple[str, ...], list[float]] = {names: [] for names in turns}
    for _ in range(n + 1):  # the first turn warms up
        for names, turn in turns.items():
            taken[names].append(turn())
    bare = statistics.median(taken[()][1:])
    for names in list(turns)[1:]:
        step_ms = statistics.median(taken[names][1:])
        yield {
            "model": config.model,
            "batch": config.data.batch_size,
            "augment": "+".join(names),
            "without_ms": round(bare, 2),
            "step_ms": round(step_ms, 2),
            "share": round(max(0.0, 1 - bare / step_ms), 4),
            "n": n,
        }


def _compiled(config: Config, augment: tuple[str, ...]) -> Callable[[], float]:
    """Runs `AUGMENTED` training steps with these augmentations; returns milliseconds a step."""
    data = dataclasses.replace(config.data, augment=augment)
    setup = build(dataclasses.replace(config, data=data))
    like, fresh = initial_state(setup)
    feed, step = setup.splits.training, compile_steps(setup, like).train
    items, state = (next(feed.items(0)),), fresh()

    def turn() -> float:
        nonlocal state
        start = time.perf_counter()
        for _ in range(AUGMENTED):
            state, _ = step(state, feed.store, items)
        jax.block_until_ready(state)
        return 1e3 * (time.perf_counter() - start) / AUGMENTED

    return turn


def _loop_stretch(config: Config) -> dict[str, Any]:
    """The log row of the second hundred steps of a run of two hundred.

    The first hundred compile and warm up.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as workdir:
        train(config, pathlib.Path(workdir), on_row=rows.append)
    return [row for row in rows if "step_ms" in row][-1]


def _bare_stretch(step: TrainStep, state: Any, store: Any, item: Any) -> float:
    """Milliseconds a call of the compiled step, as many in flight as in the loop, over `EVERY`."""
    in_flight, start = [], 0.0
    for i in range(WARM_UP + EVERY):
        if i == WARM_UP:
            jax.block_until_ready(state)
            start = time.perf_counter()
        state, sums = step(state, store, (item,))
        in_flight.append(sums)
        if len(in_flight) > IN_FLIGHT:
            jax.block_until_ready(in_flight.pop(0))
    jax.block_until_ready(state)
    return 1e3 * (time.perf_counter() - start) / EVERY
