"""Learning-rate schedules, and the plateau rule that lowers the rate after evaluations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from jaxcnn.config.schema import Optim

Array = jax.Array

Schedule = Callable[[Any], Any]


class Plateau(struct.PyTreeNode):
    """The plateau rule's memory; part of the state, so that a resumed run decides as an undisturbed one."""

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
    """After an evaluation with this top-1 `error`: multiply the rate by `factor` once `patience` evaluations brought nothing better."""
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


def make_schedule(optim: Optim, steps_per_epoch: float) -> Schedule:
    """rate(step): linear warm-up to the full rate, then the named schedule, whose epochs count from step 0 (as EfficientNet's code does)."""
    total = total_steps(optim, steps_per_epoch)
    warmup = round(optim.warmup * steps_per_epoch)

    def shape(step):
        epoch = step / steps_per_epoch
        progress = jnp.clip((step - warmup) / max(total - warmup, 1), 0.0, 1.0)
        if optim.schedule == "step":
            values = (
                1.0,
                *(optim.values or (optim.factor ** (i + 1) for i in range(len(optim.boundaries)))),
            )
            # Compared in steps: a boundary of 0.7 epochs is an integer number of steps, not a float that 0.7 may fall short of.
            passed = sum(
                (step >= round(b * steps_per_epoch)).astype(jnp.int32) for b in optim.boundaries
            )
            return jnp.asarray(values, jnp.float32)[passed]
        if optim.schedule == "exponential":
            times = epoch / optim.every
            return jnp.asarray(optim.factor, jnp.float32) ** (
                jnp.floor(times + 1e-6) if optim.staircase else times
            )
        if optim.schedule == "polynomial":
            return optim.floor + (1 - optim.floor) * (1 - progress) ** optim.power
        if optim.schedule == "cosine":
            return optim.floor + (1 - optim.floor) * 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return jnp.ones(())  # constant, and plateau, whose factor is in the state

    def rate(step):
        step = jnp.asarray(step).astype(jnp.float32)
        ramp = jnp.where(step < warmup, (step + 1) / warmup, shape(step)) if warmup else shape(step)
        return optim.learning_rate * ramp

    return rate
