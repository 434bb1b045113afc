"""Medians of the time that a function or a training step takes."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def timed_steps(
    step: Callable[..., Any], state: Any, images: Any, labels: Any, n: int
) -> tuple[float, Any]:
    """Median seconds of n steps that each consume the state of the one before, and the last state."""
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, images, labels))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:]), state


def timed(function: Callable[..., Any], *inputs: Any, n: int) -> tuple[float, float]:
    """Median seconds of n calls after two: by the clock, and of this process's processor time shared over the machine's cores.

    Where other programs compete for the cores the second says more.
    """
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter(), time.process_time()
        jax.block_until_ready(function(*inputs))
        seconds.append(
            (
                time.perf_counter() - started[0],
                (time.process_time() - started[1]) / (os.cpu_count() or 1),
            )
        )
    wall, core = np.median(seconds[2:], axis=0)
    return float(wall), float(core)
