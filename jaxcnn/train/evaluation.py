"""Evaluation during training: the masked sums of a whole split."""

import collections
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics


def count_examples(eval_step: Callable, variables: Any, split_feed: Any) -> dict[str, Any]:
    """Sums of `eval_step` over a whole split, on the host; the padded rest of the last batch counts nothing."""
    total, pending = None, collections.deque()
    for item in split_feed.items():
        total = metrics.add(total, eval_step(variables, split_feed.store, item))
        pending.append(total["count"])
        if len(pending) > 2:  # a device that falls behind must not hold the whole split
            jax.block_until_ready(pending.popleft())
    return {name: np.asarray(value) for name, value in jax.device_get(total).items()}
