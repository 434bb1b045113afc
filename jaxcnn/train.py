"""The only training loop: config -> data -> model -> step -> metrics -> checkpoint.

`train` reads top to bottom: `build` makes the parts, `Run` holds what changes, `_loop` turns. Batch k depends on (seed, k) alone, so a
run that is killed and started again goes on from its newest checkpoint and ends with the very same parameters.
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

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import checkpoint, feed, guard, logs, metrics, optim, plots, sharding, step
from jaxcnn import config as config_lib
from jaxcnn import data as data_lib
from jaxcnn.config import Config, ConfigError
from jaxcnn.data.augment import make_prepare
from jaxcnn.data.preprocess import Preprocess
from jaxcnn.evaluate import count_examples
from jaxcnn.models import create_model
from jaxcnn.weights import finetune

IN_FLIGHT = 2  # steps dispatched before the loop waits for the oldest: keeps the device busy, the queue short


@dataclasses.dataclass
class Parts:
    """What a config stands for, before anything is computed."""

    config: Config
    model: nn.Module
    model_args: dict[str, Any]
    class_names: list[str]
    preprocess: Preprocess
    mesh: jax.sharding.Mesh
    train_feed: Any
    eval_feed: Any
    eval_split: str
    tx: Any
    schedule: Callable[[Any], Any]
    steps_per_epoch: float
    total_steps: int

    def metadata(self) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "config": config_lib.to_dict(self.config),
            "model": self.config.model,
            "model_args": self.model_args,
            "preprocessing": self.preprocess.to_dict(),
            "class_names": self.class_names,
            "eval_split": self.eval_split,
        }


def build_model(config: Config, num_classes: int | None) -> tuple[nn.Module, dict[str, Any]]:
    """The network and the fields that were set; raises ConfigError for a network or a field that does not exist."""
    arguments = ({} if num_classes is None else {"num_classes": num_classes}) | config_lib.model_args(config)
    try:
        return create_model(config.model, dtype=step.DTYPES[config.precision], **arguments), arguments
    except (ValueError, TypeError) as error:
        raise ConfigError(f"config.model: {error}") from None


def build(config: Config) -> Parts:
    """Opens the data and makes model, optimizer and feeds; raises ConfigError or DataError where they do not fit together."""
    mesh = sharding.make_mesh(config.sharding)
    sharding.check_batch(mesh, config.data.batch_size, config.optim.accumulate)
    sharding.check_batch(mesh, config.data.eval_batch_size or config.data.batch_size, field="data.eval_batch_size")
    source = data_lib.open_source(config.data, config.data.train_split)
    held_out = config.data.eval_split or data_lib.default_eval_split(source)
    model, arguments = build_model(config, len(source.class_names))
    if arguments["num_classes"] != len(source.class_names):
        raise ConfigError(
            f"config.model_args sets num_classes={arguments['num_classes']}, but {config.data.name} has {len(source.class_names)}"
        )
    preprocess = data_lib.resolve(config.data, model.input_shape, source)
    steps_per_epoch = len(source) / config.data.batch_size
    return Parts(
        config=config,
        model=model,
        model_args=arguments,
        class_names=source.class_names,
        preprocess=preprocess,
        mesh=mesh,
        train_feed=feed.make_feed(config.data, config.data.train_split, preprocess, mesh, train=True, seed=config.seed),
        eval_feed=feed.make_feed(config.data, held_out, preprocess, mesh, train=False),
        eval_split=held_out,
        tx=optim.make_optimizer(config.optim, steps_per_epoch),
        schedule=optim.make_schedule(config.optim, steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        total_steps=optim.total_steps(config.optim, steps_per_epoch),
    )


def initial_state(parts: Parts) -> tuple[Any, Callable[[], step.State]]:
    """(abstract state with shardings, function that computes the fresh state there)."""
    config, shape = parts.config, (parts.preprocess.image_size, parts.preprocess.image_size, parts.preprocess.channels)

    def init(key):
        return step.init_state(key, parts.model, parts.tx, shape, ema=config.optim.ema > 0)

    key = jax.random.key(config.seed)
    try:
        abstract = jax.eval_shape(init, key)
        finetune.frozen(abstract.params, config.frozen)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ConfigError(f"{config.model} does not fit the data or its settings: {' '.join(str(error).split())[:400]}") from None
    shardings = sharding.state_shardings(parts.mesh, config.sharding, abstract)
    like = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), abstract, shardings)
    return like, lambda: jax.jit(init, out_shardings=shardings)(key)


def take_over(fresh: dict[str, Any], given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(`fresh` with every array of `given` that has its path and shape, the paths that stay fresh)."""
    have = {jax.tree_util.keystr(path, simple=True, separator="/"): x for path, x in jax.tree_util.tree_leaves_with_path(given)}
    kept: list[str] = []

    def pick(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in have and have[name].shape == leaf.shape:
            return jax.device_put(jnp.asarray(have[name], leaf.dtype), leaf.sharding)
        kept.append(name)
        return leaf

    return jax.tree_util.tree_map_with_path(pick, fresh), kept


def start_from(parts: Parts, state: step.State) -> tuple[step.State, list[str]]:
    """The fresh `state` with the weights of `config.init_from`, and the layers that did not fit and start fresh."""
    given, _ = checkpoint.load_variables(parts.config.init_from)
    variables, missing = take_over(state.variables, given)
    if len(missing) == len(jax.tree.leaves(variables)):
        raise ConfigError(f"config.init_from={parts.config.init_from} has no layer that {parts.config.model} has, in name and shape")
    ema = jax.tree.map(jnp.copy, variables) if state.ema else {}
    return state.replace(params=variables["params"], batch_stats=variables["batch_stats"], ema=ema), missing


def compile_steps(parts: Parts, like: step.State) -> tuple[Callable, Callable]:
    """(train_steps(state, store, items), eval_step(variables, store, item)), jitted over the mesh with the state donated.

    `items` is a tuple of feed items, one a step; several go in one dispatch as a `lax.scan`. The sums come back stacked, [steps].
    """
    config, loss = parts.config, step.LOSSES[parts.config.optim.loss]
    classes, smoothing = len(parts.class_names), config.optim.label_smoothing
    augmenting = make_prepare(config.data, parts.preprocess, classes, train=True, label_smoothing=smoothing)
    one_step = step.make_train_step(
        parts.model, parts.tx, loss, prepare=augmenting, seed=config.seed, ema=config.optim.ema,
        accumulate=config.optim.accumulate, aux_weight=config.optim.aux_weight, frozen=config.frozen,
    )  # fmt: skip
    one_eval = step.make_eval_step(parts.model, loss, prepare=make_prepare(config.data, parts.preprocess, classes, train=False))
    everywhere = sharding.replicated(parts.mesh)
    placed = jax.tree.map(lambda x: x.sharding, like)

    def train_steps(state, store, items):
        def body(state, item):
            return one_step(state, parts.train_feed.fetch(store, item))

        if len(items) == 1:
            state, sums = body(state, items[0])
            return state, jax.tree.map(lambda x: x[None], sums)
        return jax.lax.scan(body, state, jax.tree.map(lambda *x: jnp.stack(x), *items))

    train_step = jax.jit(train_steps, donate_argnums=0, out_shardings=(placed, everywhere))
    eval_step = jax.jit(lambda variables, store, item: one_eval(variables, parts.eval_feed.fetch(store, item)), out_shardings=everywhere)
    return train_step, eval_step


@dataclasses.dataclass
class Meter:
    """Sums of the steps since the last log line, and where their time went."""

    batch_size: int
    total: dict[str, Any] | None = None
    steps: int = 0
    waited_input: float = 0.0
    waited_device: float = 0.0
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def add(self, sums: dict[str, Any], number: int) -> None:
        """Takes the stacked sums of the steps up to `number` (waits for them); raises FloatingPointError(step) at a loss that is not finite."""
        start = time.perf_counter()
        values = jax.device_get(sums)
        self.waited_device += time.perf_counter() - start
        count = len(values["bad"])
        if values["bad"].any():
            raise FloatingPointError(number - count + 1 + int(np.argmax(values["bad"])))
        self.total = metrics.add(self.total, {name: float(np.sum(x, dtype=np.float64)) for name, x in values.items()})
        self.steps += count

    def row(self) -> dict[str, float]:
        """The means, with img_s, step_ms, host_ms (loop time outside device and input) and input_wait (share of the time)."""
        assert self.total is not None
        wall = time.perf_counter() - self.started
        host = wall - self.waited_device - self.waited_input
        means = metrics.summarize(self.total)
        corrupt = {"corrupt": self.total["corrupt"]} if "corrupt" in self.total else {}
        return corrupt | {
            "train_loss": means["loss"],
            "train_top1": means["top1"],
            "train_top5": means["top5"],
            "grad_norm": self.total["grad_norm"] / self.steps,
            "img_s": round(self.steps * self.batch_size / wall, 1),
            "step_ms": round(1e3 * wall / self.steps, 3),
            "host_ms": round(1e3 * host / self.steps, 3),
            "input_wait": round(self.waited_input / wall, 4),
        }


def train(config: Config, workdir: str | pathlib.Path) -> dict[str, Any]:
    """Trains `config` in `workdir`, or resumes or reports what is there; returns the final metrics.

    Raises ConfigError, DataError, CheckpointError or guard.RunError with one sentence, guard.Interrupted after a requested stop.
    """
    started = time.monotonic()
    config_lib.validate(config)
    build_model(config, None)  # an unknown name or field is found before anything is touched
    path = guard.open_workdir(workdir)
    with contextlib.ExitStack() as stack:
        changed: dict[str, tuple] = {}
        if jax.process_index() == 0:
            stack.enter_context(guard.locked(path))
            changed = guard.check_config(path, config)
        parts = build(config)
        like, fresh = initial_state(parts)
        checkpointer = checkpoint.Checkpointer(path, keep=config.keep)
        state, missing = restore_or_start(parts, checkpointer, like, fresh)
        first = int(state.step)
        if done := finished(path, first, parts.total_steps):
            checkpointer.close()
            return done | {"already_finished": True}
        if first > parts.total_steps:
            raise guard.RunError(f"{path} is at step {first} already, beyond the {parts.total_steps} asked for; give more steps or epochs")
        size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(like))
        guard.check_space(path, (config.keep + 2) * size / 2**20)  # the newest, the best and the one that is being written
        if jax.process_index() == 0:
            guard.write_config(path, config)
        logger = logs.Logger(path, start_step=first, total_steps=parts.total_steps, tensorboard=config.tensorboard)
        stack.callback(logger.close)
        for name, (old, new) in changed.items():
            logger.say(f"changed since the last sitting: {name} was {old!r}, now {new!r}")
        if missing:
            logger.say(f"not in {config.init_from}, so fresh: {', '.join(missing)}")
        logger.say(_greeting(parts, like, first))
        stop = stack.enter_context(guard.StopRequest())
        run = Run(parts, path, checkpointer, logger, stop, *compile_steps(parts, like))
        state, last = run.loop(state)
        checkpointer.close()
        return run.finish(state, last, time.monotonic() - started)


def restore_or_start(
    parts: Parts, checkpointer: checkpoint.Checkpointer, like: step.State, fresh: Callable
) -> tuple[step.State, list[str]]:
    """(the newest checkpoint's state, []), or a fresh one, from `config.init_from` if set, with the layers that it did not have."""
    if restored := checkpointer.restore(like):
        return restored[0], []
    return start_from(parts, fresh()) if parts.config.init_from else (fresh(), [])


def finished(workdir: pathlib.Path, at_step: int, total_steps: int) -> dict[str, Any] | None:
    """The final row of a run whose newest checkpoint is its end; None while there is something left to do."""
    rows = logs.read_metrics(workdir)
    if rows and rows[-1].get("final") and at_step >= total_steps and rows[-1]["step"] == at_step:
        return rows[-1]
    return None


def _greeting(parts: Parts, like: step.State, first: int) -> str:
    size = sum(x.size for x in jax.tree.leaves(like.params))
    kind = type(parts.train_feed).__name__.lower()
    mesh = " x ".join(f"{n} {axis}" for axis, n in parts.mesh.shape.items())
    where = f"resuming at step {first} of" if first else "training for"
    return (
        f"{parts.config.model}, {size:,} parameters; {parts.train_feed.size:,} training and {parts.eval_feed.size:,} test images ({kind}); "
        f"mesh {mesh} ({jax.devices()[0].platform}); {where} {parts.total_steps} steps"
    )


@dataclasses.dataclass
class Run:
    """One sitting of a run: the loop and what it calls at its boundaries."""

    parts: Parts
    workdir: pathlib.Path
    checkpointer: checkpoint.Checkpointer
    logger: logs.Logger
    stop: guard.StopRequest
    train_step: Callable
    eval_step: Callable

    def loop(self, state: step.State) -> tuple[step.State, dict[str, Any]]:
        """Turns until the last step or a requested stop; returns the state and the last evaluation's sums."""
        parts, config = self.parts, self.parts.config
        every = {n: max(1, round(getattr(config, n) * parts.steps_per_epoch)) for n in ("eval_every", "checkpoint_every")}
        meter, pending = Meter(config.data.batch_size), collections.deque()
        last: dict[str, Any] = {}
        saved = time.monotonic()
        number = int(state.step)
        items = parts.train_feed.items(number)
        try:
            while number < parts.total_steps:
                start = time.perf_counter()
                batch = tuple(itertools.islice(items, self._stride(number, every)))
                meter.waited_input += time.perf_counter() - start
                state, sums = self.train_step(state, parts.train_feed.store, batch)
                number += len(batch)
                pending.append((number, sums))
                at_end = number == parts.total_steps
                evaluating = number % every["eval_every"] == 0 or at_end
                logging = number % config.log_every == 0 or evaluating
                stopping = bool(self.stop)
                late = time.monotonic() - saved > config.checkpoint_seconds
                saving = number % every["checkpoint_every"] == 0 or evaluating or stopping or late
                while len(pending) > (0 if logging or saving else IN_FLIGHT):
                    meter.add(*reversed(pending.popleft()))
                if logging:
                    self._log(meter, number, float(state.plateau.scale))
                    meter = Meter(config.data.batch_size)
                if evaluating:
                    state, last = self._evaluate(state, number)
                    meter.started = time.perf_counter()
                if saving:
                    top1 = {"top1": last["row"]["eval_top1"]} if evaluating else None
                    self.checkpointer.save(state, parts.metadata(), top1)
                    saved = time.monotonic()
                self.checkpointer.poll()
                if stopping and not at_end:
                    self.checkpointer.close()
                    raise guard.Interrupted(f"stopped at step {number} of {parts.total_steps}; the same command resumes from there")
        except FloatingPointError as error:
            self.checkpointer.close()
            raise guard.RunError(self._diverged(error.args[0])) from None
        return state, last

    def _stride(self, number: int, every: dict[str, int]) -> int:
        """How many steps go into the next dispatch: all of `steps_per_dispatch` if no boundary lies within them, else one."""
        config = self.parts.config
        most = config.steps_per_dispatch
        if not most:  # XLA:CPU runs a step inside a scan several times slower; a streamed batch is too large to stack
            most = 1 if jax.default_backend() == "cpu" or isinstance(self.parts.train_feed, feed.Streamed) else 25
        boundaries = (n - number % n for n in (*every.values(), config.log_every))
        return most if most <= min(*boundaries, self.parts.total_steps - number) else 1

    def _log(self, meter: Meter, number: int, rate_scale: float) -> None:
        row = meter.row()
        rate = float(self.parts.schedule(number - 1)) * rate_scale
        left = (self.parts.total_steps - number) * row["step_ms"] / 1e3
        head = {"step": number, "epoch": round(number / self.parts.steps_per_epoch, 4)}
        self.logger.progress(head | row | {"lr": rate, "eta_s": round(left, 1)})

    def _evaluate(self, state: step.State, number: int) -> tuple[step.State, dict[str, Any]]:
        sums = count_examples(self.eval_step, state.eval_variables, self.parts.eval_feed)
        row = {f"eval_{name}": value for name, value in metrics.summarize(sums).items()}
        if not math.isfinite(row["eval_loss"]):
            raise FloatingPointError(number)
        if "corrupt" in sums:
            row["eval_corrupt"] = float(sums["corrupt"])
        self.logger.write({"step": number, "epoch": round(number / self.parts.steps_per_epoch, 4)} | row)
        if self.parts.config.optim.schedule == "plateau":
            plateau = optim.update_plateau(jax.device_get(state.plateau), 1 - row["eval_top1"], self.parts.config.optim)
            state = state.replace(plateau=sharding.put_replicated(self.parts.mesh, plateau))
        return state, {"row": row, "confusion": np.asarray(sums["confusion"])}

    def _diverged(self, number: int) -> str:
        steps = self.checkpointer.steps()
        good = f"the last good checkpoint is step {steps[-1]}" if steps else "there is no checkpoint yet"
        return (
            f"the loss is not a finite number at step {number} (learning rate {float(self.parts.schedule(number - 1)):.3g}); {good} in "
            f"{self.checkpointer.folder}; try a lower --config.optim.learning_rate, --config.optim.warmup=1 or --config.optim.clip_norm=1 "
            "in a new --workdir"
        )

    def finish(self, state: step.State, last: dict[str, Any], wall: float) -> dict[str, Any]:
        """Draws the pictures, writes the final row and returns it."""
        parts = self.parts
        if not last:  # resumed at the very end: the evaluation was made, its row is in the log, the final row is not
            state, last = self._evaluate(state, int(state.step))
        accuracy = metrics.per_class_accuracy(last["confusion"])
        row = {
            "final": True, "step": parts.total_steps, "epoch": round(parts.total_steps / parts.steps_per_epoch, 4), **last["row"],
            "wall_s": round(wall, 2), "digest": checkpoint.digest(jax.device_get(state.params)),
            "per_class_accuracy": {n: None if math.isnan(a) else round(float(a), 6) for n, a in zip(parts.class_names, accuracy, strict=True)},
        }  # fmt: skip
        self.logger.write(row)
        if self.logger.active:
            row["pictures"] = plots.of_run(self.workdir, last["confusion"], parts.class_names)
        return row
