"""The only training loop: config -> data -> model -> step -> metrics -> checkpoint.

`train` reads top to bottom, `Run.loop` turns; `setup.build` makes what they work with. Batch k
depends on (seed, k) alone, so a run that is killed and started again goes on from its newest
checkpoint and ends with the very same parameters.
"""

import collections
import contextlib
import dataclasses
import itertools
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics
from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.errors import DataError, Diverged, Interrupted, NonFiniteLoss
from jaxcnn.metrics import Sums
from jaxcnn.parallel.mesh import put_replicated
from jaxcnn.parallel.processes import Vote, check_shared
from jaxcnn.run import logs
from jaxcnn.run.goodput import Account
from jaxcnn.run.logs import Logger
from jaxcnn.run.profile import Profile
from jaxcnn.run.stop import StopRequest
from jaxcnn.run.watchdog import Watchdog
from jaxcnn.run.workdir import check_config, check_space, locked, open_workdir, write_config
from jaxcnn.train import preflight
from jaxcnn.train.compile import Steps, compile_steps, most_steps
from jaxcnn.train.evaluation import count_examples
from jaxcnn.train.feed import Item
from jaxcnn.train.meter import Meter
from jaxcnn.train.rows import Rows, draw, finished, opening
from jaxcnn.train.schedules import update_plateau
from jaxcnn.train.setup import Setup, build, build_model, checkpoints_mib, initial_state
from jaxcnn.train.start import check_init_from, restore_or_start
from jaxcnn.train.state import State
from jaxcnn.train.timetable import Timetable

# Steps dispatched before the loop waits for the oldest: keeps the device busy, the queue short.
IN_FLIGHT = 2


def train(
    config: Config,
    workdir: str | pathlib.Path,
    profile: str = "",
    *,
    devices: Sequence[Any] | None = None,
    stop: Callable[[int], bool] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    pictures: bool = True,
) -> dict[str, Any]:
    """Trains `config` in `workdir`, or resumes or reports what is there; returns the final metrics.

    `profile` "A:B" traces these steps. The mesh is made of `devices`, by default of all of all
    processes. `stop` is told the number of each dispatched step, and where it answers True the run
    ends as by SIGTERM. `on_row` gets each row of metrics once it is written. `pictures`: whether
    the first batch and the final curves are drawn.

    Raises ConfigError, DataError, CheckpointError or RunError with one sentence, and Interrupted
    after a requested stop.
    """
    started = time.monotonic()
    validate(config)
    build_model(config)  # an unknown name or field is found before anything is touched
    check_init_from(config, pathlib.Path(workdir))
    path = open_workdir(workdir)
    tracer = Profile(profile, path)
    with contextlib.ExitStack() as stack:
        changed = _claim(stack, path, config)
        logs.say(f"reading {config.data.name}")
        setup = build(config, devices)
        like, fresh = initial_state(setup)
        checkpointer = Checkpointer(path, keep=config.keep)
        begin = restore_or_start(setup, checkpointer, like, fresh)
        first = int(begin.state.step)
        if done := finished(setup, path, first):
            checkpointer.close()
            return done | {"already_finished": True}
        if jax.process_index() == 0:
            check_space(path, checkpoints_mib(config, like))
            write_config(path, config)
        logger = _open_log(stack, setup, path, first, opening(setup, like, begin, changed))
        if pictures and not first:
            preflight.sheet(setup, path / preflight.SHEET)
        requested = stack.enter_context(StopRequest())
        dog = stack.enter_context(Watchdog(config.stall_seconds, path))
        stack.callback(tracer.close)
        account = stack.enter_context(Account(path, first))
        logger.say("compiling the training step; the first step waits for it")
        run = Run(
            setup=setup,
            steps=compile_steps(setup, like),
            checkpointer=checkpointer,
            rows=Rows(setup, logger, account, on_row),
            dog=dog,
            tracer=tracer,
            stop=lambda step: bool(requested) or (stop is not None and stop(step)),
        )
        state, sums = run.loop(begin.state)
        checkpointer.close()
        if sums is None:  # resumed at the very end: evaluated already, without its final row
            sums = run.evaluate(state, setup.total_steps)
        row = run.rows.final(state, sums, wall_s=time.monotonic() - started)
        if pictures and jax.process_index() == 0:
            row["pictures"] = draw(setup, path, sums)
        return row


def _claim(
    stack: contextlib.ExitStack, path: pathlib.Path, config: Config
) -> dict[str, tuple[Any, Any]]:
    """Locks the workdir; the harmless changes {setting: (old, new)} since its last sitting."""
    changed: dict[str, tuple[Any, Any]] = {}
    if jax.process_index() == 0:
        stack.enter_context(locked(path))
        changed = check_config(path, config)
    check_shared(path)
    return changed


def _open_log(
    stack: contextlib.ExitStack,
    setup: Setup,
    path: pathlib.Path,
    step: int,
    lines: Iterable[str],
) -> Logger:
    """The log of a sitting that begins at `step`, with its first `lines` said."""
    logger = Logger(
        path,
        start_step=step,
        total_steps=setup.total_steps,
        tensorboard=setup.config.tensorboard,
    )
    stack.callback(logger.close)
    for line in lines:
        logger.say(line)
    return logger


@dataclasses.dataclass
class Run:
    """One sitting of a run: the loop and what it calls at its boundaries."""

    setup: Setup
    steps: Steps
    checkpointer: Checkpointer
    rows: Rows
    dog: Watchdog
    tracer: Profile
    stop: Callable[[int], bool]

    def loop(self, state: State) -> tuple[State, Sums | None]:
        """Turns until the last step or a requested stop; returns the state and the last sums.

        Those are of the last evaluation, None where there was none.
        """
        setup, batch_size = self.setup, self.setup.config.data.batch_size
        table = Timetable.of(setup.config, setup.splits.steps_per_epoch, setup.total_steps)
        meter, pending = Meter(batch_size), collections.deque()
        most, vote, sums = most_steps(setup), Vote(setup.mesh), None
        step, saved = int(state.step), time.monotonic()
        items = setup.splits.training.items(step)
        try:
            while step < setup.total_steps:
                with meter.waiting_for_input():
                    batches = tuple(itertools.islice(items, table.stride(step, most)))
                state, step = self._dispatch(state, step, batches, pending)
                stopping, late = vote(
                    self.stop(step),
                    time.monotonic() - saved > setup.config.checkpoint_seconds,
                )
                due = table.due(step, stopping=stopping, late=late)
                while len(pending) > (0 if due.log or due.save else IN_FLIGHT):
                    meter.add(*pending.popleft())
                if due.log:
                    self.rows.progress(step, meter, float(state.plateau.scale))
                    meter = Meter(batch_size)
                if due.evaluate:
                    sums = self.evaluate(state, step)
                    state = self._lowered(state, sums)
                    meter.restart()
                if due.save:
                    with meter.waiting_for_save():
                        self._save(state, sums if due.evaluate else None)
                    saved = time.monotonic()
                self.checkpointer.poll()
                if due.stop:
                    self.checkpointer.close()
                    raise Interrupted(
                        f"stopped at step {step} of {setup.total_steps}; the same command resumes "
                        "from there"
                    )
        except (DataError, OSError):
            self.checkpointer.poll(wait=True)  # what was on its way to the disk still gets there
            raise
        except NonFiniteLoss as error:
            self.checkpointer.close()
            raise Diverged(self._advice(error.step)) from None
        return state, sums

    def _dispatch(
        self, state: State, step: int, items: tuple[Item, ...], pending: collections.deque
    ) -> tuple[State, int]:
        """Sends off the steps of `items`; (the state after them, its step), neither waited for."""
        self.tracer.before(step, len(items))
        self.dog.beat()
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            state, sums = self.steps.train(state, self.setup.splits.training.store, items)
        step += len(items)
        pending.append((sums, step))
        return state, step

    def evaluate(self, state: State, step: int) -> Sums:
        """The sums of the evaluation split, after their row was written."""
        sums = count_examples(
            self.dog.beating(self.steps.evaluate),
            state.eval_variables,
            self.setup.splits.evaluation,
        )
        if not np.isfinite(sums["loss"]):
            raise NonFiniteLoss(step)
        self.rows.evaluation(step, sums)
        return sums

    def _lowered(self, state: State, sums: Sums) -> State:
        """`state` after the plateau rule has seen an evaluation."""
        optim = self.setup.config.optim
        if optim.schedule != "plateau":
            return state
        error = 1 - metrics.means(sums)["top1"]
        plateau = update_plateau(jax.device_get(state.plateau), error, optim)
        return state.replace(plateau=put_replicated(self.setup.mesh, plateau))

    def _save(self, state: State, sums: Sums | None) -> None:
        top1 = None if sums is None else {"top1": metrics.means(sums)["top1"]}
        self.checkpointer.save(state, self.setup.metadata(), top1)

    def _advice(self, step: int) -> str:
        steps = self.checkpointer.steps()
        good = (
            f"the last good checkpoint is step {steps[-1]}"
            if steps
            else "there is no checkpoint yet"
        )
        rate = float(self.setup.schedule(step - 1))
        return (
            f"the loss is not a finite number at step {step} (learning rate {rate:.3g}); {good} in "
            f"{self.checkpointer.folder}; try a lower --config.optim.learning_rate, "
            "--config.optim.warmup=1 or --config.optim.clip_norm=1 in a new --workdir"
        )
