"""The only training loop: config -> data -> model -> step -> metrics -> checkpoint.

`train` reads top to bottom, `Run.loop` turns; `parts.build` makes what they work with. Batch k depends on (seed, k) alone, so a run that
is killed and started again goes on from its newest checkpoint and ends with the very same parameters.
"""

import collections
import contextlib
import dataclasses
import itertools
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics
from jaxcnn.checkpoint import manager
from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.draw import plots
from jaxcnn.errors import DataError, Diverged, Interrupted, RunError
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.parallel import processes as processes_lib
from jaxcnn.run import logs, provenance, watchdog
from jaxcnn.run import profile as profile_lib
from jaxcnn.run import stop as stop_lib
from jaxcnn.run import workdir as workdir_lib
from jaxcnn.run.goodput import Account
from jaxcnn.train import feed, layout, preflight, schedules
from jaxcnn.train import state as state_lib
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.efficiency import device_memory_mib, ideal_seconds
from jaxcnn.train.evaluation import count_examples
from jaxcnn.train.meter import Meter
from jaxcnn.train.setup import Parts, build, build_model, checkpoints_mib, initial_state
from jaxcnn.train.start import restore_or_start

IN_FLIGHT = 2  # steps dispatched before the loop waits for the oldest: keeps the device busy, the queue short


def train(config: Config, workdir: str | pathlib.Path, profile: str = "") -> dict[str, Any]:
    """Trains `config` in `workdir`, or resumes or reports what is there; returns the final metrics. `profile` "A:B" traces these steps.

    Raises ConfigError, DataError, CheckpointError or guard.RunError with one sentence, guard.Interrupted after a requested stop.
    """
    started = time.monotonic()
    validate(config)
    build_model(config, None)  # an unknown name or field is found before anything is touched
    path = workdir_lib.open_workdir(workdir)
    tracer = profile_lib.Profile(profile, path)
    with contextlib.ExitStack() as stack:
        changed: dict[str, tuple] = {}
        if jax.process_index() == 0:
            stack.enter_context(workdir_lib.locked(path))
            changed = workdir_lib.check_config(path, config)
        processes_lib.check_shared(path)
        parts = build(config)
        like, fresh = initial_state(parts)
        checkpointer = manager.Checkpointer(path, keep=config.keep)
        state, missing = restore_or_start(parts, checkpointer, like, fresh)
        first = int(state.step)
        if done := processes_lib.from_first(
            "finished", lambda: finished(path, first, parts.total_steps)
        ):
            checkpointer.close()
            return done | {"already_finished": True}
        if first > parts.total_steps:
            raise RunError(
                f"{path} is at step {first} already, beyond the {parts.total_steps} asked for; give more steps or epochs"
            )
        if jax.process_index() == 0:
            workdir_lib.check_space(path, checkpoints_mib(config, like))
            workdir_lib.write_config(path, config)
        logger = logs.Logger(
            path, start_step=first, total_steps=parts.total_steps, tensorboard=config.tensorboard
        )
        stack.callback(logger.close)
        for name, (old, new) in changed.items():
            logger.say(f"changed since the last sitting: {name} was {old!r}, now {new!r}")
        if missing:
            logger.say(f"not in {config.init_from}, so fresh: {', '.join(missing)}")
        logger.say(_greeting(parts, like, first))
        if repeated := layout.repeated_work(parts.mesh, config.sharding, parts.model):
            logger.say(repeated)
        if not first:
            preflight.sheet(parts, path / preflight.SHEET)
        stop = stack.enter_context(stop_lib.StopRequest())
        dog = stack.enter_context(watchdog.Watchdog(config.stall_seconds, path))
        stack.callback(tracer.close)
        train_step, eval_step = compile_steps(parts, like)
        run = Run(
            parts, path, checkpointer, logger, stop, dog, tracer, Account(path, first), train_step, dog.beating(eval_step),
            ideal_seconds(parts),
        )  # fmt: skip
        state, last = run.loop(state)
        checkpointer.close()
        return run.finish(state, last, time.monotonic() - started)


def finished(workdir: pathlib.Path, at_step: int, total_steps: int) -> dict[str, Any] | None:
    """The final row of a run whose newest checkpoint is its end; None while there is something left to do."""
    rows = logs.read_metrics(workdir)
    if rows and rows[-1].get("final") and at_step >= total_steps and rows[-1]["step"] == at_step:
        return rows[-1]
    return None


def _greeting(parts: Parts, like: state_lib.State, first: int) -> str:
    size = sum(x.size for x in jax.tree.leaves(like.params))
    kind = type(parts.train_feed).__name__.lower()
    mesh = " x ".join(f"{n} {axis}" for axis, n in parts.mesh.shape.items())
    processes = f" on {jax.process_count()} processes" if jax.process_count() > 1 else ""
    where = f"resuming at step {first} of" if first else "training for"
    return (
        f"{parts.config.model}, {size:,} parameters; {parts.train_feed.size:,} training and {parts.eval_feed.size:,} test images ({kind}); "
        f"mesh {mesh} ({jax.devices()[0].platform}){processes}; {where} {parts.total_steps} steps"
    )


@dataclasses.dataclass
class Run:
    """One sitting of a run: the loop and what it calls at its boundaries."""

    parts: Parts
    workdir: pathlib.Path
    checkpointer: manager.Checkpointer
    logger: logs.Logger
    stop: stop_lib.StopRequest
    dog: watchdog.Watchdog
    tracer: profile_lib.Profile
    account: Account
    train_step: Callable
    eval_step: Callable
    ideal_s: float = 0.0  # seconds of a step at the devices' peak, where that is known

    def loop(self, state: state_lib.State) -> tuple[state_lib.State, dict[str, Any]]:
        """Turns until the last step or a requested stop; returns the state and the last evaluation's sums."""
        parts, config = self.parts, self.parts.config
        every = {
            n: max(1, round(getattr(config, n) * parts.steps_per_epoch))
            for n in ("eval_every", "checkpoint_every")
        }
        meter, pending = Meter(config.data.batch_size), collections.deque()
        last: dict[str, Any] = {}
        saved = time.monotonic()
        vote = processes_lib.Vote(parts.mesh)
        number = int(state.step)
        items = parts.train_feed.items(number)
        try:
            while number < parts.total_steps:
                start = time.perf_counter()
                batch = tuple(itertools.islice(items, self._stride(number, every)))
                meter.waited_input += time.perf_counter() - start
                self.tracer.before(number, len(batch))
                self.dog.beat()
                state, sums = self.train_step(state, parts.train_feed.store, batch)
                number += len(batch)
                pending.append((number, sums))
                at_end = number == parts.total_steps
                evaluating = number % every["eval_every"] == 0 or at_end
                logging = number % config.log_every == 0 or evaluating
                stopping, late = vote(
                    bool(self.stop), time.monotonic() - saved > config.checkpoint_seconds
                )
                saving = number % every["checkpoint_every"] == 0 or evaluating or stopping or late
                while len(pending) > (0 if logging or saving else IN_FLIGHT):
                    meter.add(*reversed(pending.popleft()))
                if logging:
                    self._log(meter, number, float(state.plateau.scale))
                    meter = Meter(config.data.batch_size)
                if evaluating:
                    state, last = self._evaluate(state, number)
                    meter.restart()
                if saving:
                    start = time.perf_counter()
                    top1 = {"top1": last["row"]["eval_top1"]} if evaluating else None
                    self.checkpointer.save(state, parts.metadata(), top1)
                    meter.saving += time.perf_counter() - start
                    saved = time.monotonic()
                self.checkpointer.poll()
                if stopping and not at_end:
                    self.checkpointer.close()
                    raise Interrupted(
                        f"stopped at step {number} of {parts.total_steps}; the same command resumes from there"
                    )
        except (DataError, OSError):
            self.checkpointer.poll(wait=True)  # what was on its way to the disk still gets there
            raise
        except FloatingPointError as error:
            self.checkpointer.close()
            raise Diverged(self._diverged(error.args[0])) from None
        return state, last

    def _stride(self, number: int, every: dict[str, int]) -> int:
        """How many steps go into the next dispatch: all of `steps_per_dispatch` if no boundary lies within them, else one."""
        config = self.parts.config
        most = config.steps_per_dispatch
        if not most:  # XLA:CPU runs a step inside a scan several times slower; a streamed batch is too large to stack
            most = (
                1
                if jax.default_backend() == "cpu"
                or isinstance(self.parts.train_feed, feed.Streamed)
                else 25
            )
        boundaries = (n - number % n for n in (*every.values(), config.log_every))
        return most if most <= min(*boundaries, self.parts.total_steps - number) else 1

    def _log(self, meter: Meter, number: int, rate_scale: float) -> None:
        row = meter.row()
        self.account.add(number, meter.steps * row["step_p50_ms"] / 1e3)
        if self.ideal_s:
            row["mfu"] = round(1e3 * self.ideal_s / row["step_p50_ms"], 4)
        if memory := device_memory_mib():
            row["device_peak_mib"] = memory
        rate = float(self.parts.schedule(number - 1)) * rate_scale
        left = (self.parts.total_steps - number) * row["step_ms"] / 1e3
        head = {"step": number, "epoch": round(number / self.parts.steps_per_epoch, 4)}
        self.logger.progress(head | row | {"lr": rate, "eta_s": round(left, 1)})

    def _evaluate(
        self, state: state_lib.State, number: int
    ) -> tuple[state_lib.State, dict[str, Any]]:
        sums = count_examples(self.eval_step, state.eval_variables, self.parts.eval_feed)
        row = {f"eval_{name}": value for name, value in metrics.means(sums).items()}
        if not math.isfinite(row["eval_loss"]):
            raise FloatingPointError(number)
        if "corrupt" in sums:
            row["eval_corrupt"] = float(sums["corrupt"])
        self.logger.write(
            {"step": number, "epoch": round(number / self.parts.steps_per_epoch, 4)} | row
        )
        if self.parts.config.optim.schedule == "plateau":
            plateau = schedules.update_plateau(
                jax.device_get(state.plateau), 1 - row["eval_top1"], self.parts.config.optim
            )
            state = state.replace(plateau=mesh_lib.put_replicated(self.parts.mesh, plateau))
        return state, {"row": row, "confusion": np.asarray(sums["confusion"])}

    def _diverged(self, number: int) -> str:
        steps = self.checkpointer.steps()
        good = (
            f"the last good checkpoint is step {steps[-1]}"
            if steps
            else "there is no checkpoint yet"
        )
        return (
            f"the loss is not a finite number at step {number} (learning rate {float(self.parts.schedule(number - 1)):.3g}); {good} in "
            f"{self.checkpointer.folder}; try a lower --config.optim.learning_rate, --config.optim.warmup=1 or --config.optim.clip_norm=1 "
            "in a new --workdir"
        )

    def finish(self, state: state_lib.State, last: dict[str, Any], wall: float) -> dict[str, Any]:
        """Draws the pictures, writes the final row and returns it."""
        parts = self.parts
        if not last:  # resumed at the very end: the evaluation was made, its row is in the log, the final row is not
            state, last = self._evaluate(state, int(state.step))
        accuracy = metrics.per_class_accuracy(last["confusion"])
        row = {
            "final": True, "step": parts.total_steps, "epoch": round(parts.total_steps / parts.steps_per_epoch, 4), **last["row"],
            "wall_s": round(wall, 2), "goodput": round(self.account.goodput(), 4), "sittings": len(self.account.sittings), "digest": provenance.digest(jax.device_get(processes_lib.whole(parts.mesh, state.params))),
            "per_class_accuracy": {n: None if math.isnan(a) else round(float(a), 6) for n, a in zip(parts.class_names, accuracy, strict=True)},
        }  # fmt: skip
        self.logger.write(row)
        if self.logger.active:
            row["pictures"] = plots.of_run(self.workdir, last["confusion"], parts.class_names)
        return row
