"""Evaluation during training: the masked sums of a whole split."""

import collections
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn import metrics
from jaxcnn.metrics import Sums
from jaxcnn.train.feed import Feed


def count_examples(eval_step: Callable[..., Sums], variables: Any, feed: Feed) -> dict[str, Any]:
    """Sums of `eval_step` over a whole split, on the host.

    The padded rest of the last batch counts nothing.
    """
    total, pending = None, collections.deque()
    for item in feed.items():
        total = metrics.add(total, eval_step(variables, feed.store, item))
        pending.append(total["count"])
        if len(pending) > 2:  # a device that falls behind must not hold the whole split
            jax.block_until_ready(pending.popleft())
    return {name: np.asarray(value) for name, value in jax.device_get(total).items()}
