"""Learning-rate schedules, and the plateau rule that lowers the rate after evaluations."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from jaxcnn import own
from jaxcnn.config.schema import Optim
from jaxcnn.errors import ConfigError
from jaxcnn.train.own_functions import own_schedule

MOST_STEPS = 2**31 - 1  # steps are counted in 32 bits
Array = jax.Array

Schedule = Callable[[Any], Any]


class Plateau(struct.PyTreeNode):
    """The plateau rule's memory; in the state, so that a resumed run decides as an undisturbed."""

    scale: Array
    best: Array
    waited: Array
    dropped: Array


def new_plateau() -> Plateau:
    """No evaluation seen yet."""
    return Plateau(
        jnp.ones(()), jnp.full((), jnp.inf), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    )


def update_plateau(plateau: Plateau, error: float, optim: Optim) -> Plateau:
    """The memory after an evaluation with this top-1 `error`.

    The rate is multiplied by `factor` once `patience` evaluations brought nothing better.
    """
    better = error < plateau.best
    waited = jnp.where(better, 0, plateau.waited + 1).astype(jnp.int32)
    drop = (waited >= optim.patience) & (plateau.dropped < optim.drops)
    return Plateau(
        scale=jnp.where(drop, plateau.scale * optim.factor, plateau.scale),
        best=jnp.minimum(plateau.best, error).astype(jnp.float32),
        waited=jnp.where(drop, 0, waited).astype(jnp.int32),
        dropped=plateau.dropped + drop.astype(jnp.int32),
    )


def total_steps(optim: Optim, steps_per_epoch: float) -> int:
    """The length of the run in steps, at least one."""
    return optim.steps or max(1, round(optim.epochs * steps_per_epoch))


def check_length(optim: Optim, steps_per_epoch: float) -> None:
    """Raises ConfigError for a run of more steps than can be counted."""
    total = total_steps(optim, steps_per_epoch)
    if total > MOST_STEPS:
        raise ConfigError(
            f"config.optim.epochs={optim.epochs:g} are {total:,} steps of this dataset; a run has "
            f"at most {MOST_STEPS:,}"
        )


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a step lies in its run: `progress` goes from 0 after the warm-up to 1 at the end."""

    step: Array
    steps_per_epoch: float
    progress: Array


def _constant(optim: Optim, place: _Place) -> Array:
    del optim, place
    return jnp.ones(())


def _step(optim: Optim, place: _Place) -> Array:
    powers = (optim.factor ** (i + 1) for i in range(len(optim.boundaries)))
    values = (1.0, *(optim.values or powers))
    # Compared in steps: a boundary of 0.7 epochs is an integer number of steps, not a float that
    # 0.7 may fall short of.
    ends = [float(round(b * place.steps_per_epoch)) for b in optim.boundaries]
    passed = sum((place.step >= end).astype(jnp.int32) for end in ends)
    return jnp.asarray(values, jnp.float32)[passed]


def _exponential(optim: Optim, place: _Place) -> Array:
    times = place.step / place.steps_per_epoch / optim.every
    if optim.staircase:
        times = jnp.floor(times + 1e-6)
    return jnp.asarray(optim.factor, jnp.float32) ** times


def _polynomial(optim: Optim, place: _Place) -> Array:
    return optim.floor + (1 - optim.floor) * (1 - place.progress) ** optim.power


def _cosine(optim: Optim, place: _Place) -> Array:
    return optim.floor + (1 - optim.floor) * 0.5 * (1 + jnp.cos(jnp.pi * place.progress))


# name of config.optim.schedule: function of (optim, place) -> the rate's multiple
SCHEDULES: dict[str, Callable[[Optim, _Place], Array]] = {
    "constant": _constant,
    "step": _step,
    "plateau": _constant,  # its factor is in the state
    "polynomial": _polynomial,
    "exponential": _exponential,
    "cosine": _cosine,
}


def _shape(optim: Optim, total: int, steps_per_epoch: float) -> Callable[[Optim, _Place], Array]:
    """The function of (optim, place) that `optim.schedule` names."""
    if not own.is_reference(optim.schedule):
        return SCHEDULES[optim.schedule]
    multiple = own_schedule(optim.schedule, total, steps_per_epoch)
    return lambda _, place: multiple(place.step)


def make_schedule(optim: Optim, steps_per_epoch: float) -> Schedule:
    """rate(step): linear warm-up to the full rate, then the named schedule.

    The schedule's epochs count from step 0, as EfficientNet's code counts them. Raises OwnError
    for a schedule of your own that is none.
    """
    total = total_steps(optim, steps_per_epoch)
    warmup = float(round(optim.warmup * steps_per_epoch))
    shape = _shape(optim, total, steps_per_epoch)

    def rate(step):
        step = jnp.asarray(step).astype(jnp.float32)
        progress = jnp.clip((step - warmup) / max(total - warmup, 1), 0.0, 1.0)
        multiple = shape(optim, _Place(step, steps_per_epoch, progress))
        ramp = jnp.where(step < warmup, (step + 1) / warmup, multiple) if warmup else multiple
        return optim.learning_rate * ramp

    return rate
