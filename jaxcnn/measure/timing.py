"""Medians of the time that a function or a training step takes."""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

WARM_UP = 2  # calls that do not count


def timed_steps(step: Callable[..., Any], state: Any, batch: Any, *, n: int) -> tuple[float, Any]:
    """(median seconds of n steps, each on the state of the one before, the last state)."""
    seconds = []
    for _ in range(n + WARM_UP):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, batch))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[WARM_UP:]), state


def timed(function: Callable[..., Any], *inputs: Any, n: int) -> tuple[float, float]:
    """Median seconds of n calls: by the clock, and of processor time.

    The second is this process's processor time divided by the machine's cores; where other
    programs compete for the cores it says more.
    """
    cores = os.cpu_count() or 1
    seconds = []
    for _ in range(n + WARM_UP):
        wall, core = time.perf_counter(), time.process_time()
        jax.block_until_ready(function(*inputs))
        seconds.append((time.perf_counter() - wall, (time.process_time() - core) / cores))
    wall, core = np.median(seconds[WARM_UP:], axis=0)  # [n, 2] -> [2]
    return float(wall), float(core)
