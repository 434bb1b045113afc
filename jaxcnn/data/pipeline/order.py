"""Which example stands where: training's order depends on (seed, position) and on nothing else.

Training walks an infinite stream in which every epoch is a permutation of the examples; batch k
holds positions k B to (k + 1) B - 1, so batches straddle the ends of epochs and every example comes
exactly once an epoch. Only the raw output of a counter-based bit generator is used, which NumPy
keeps the same for ever.
"""

import functools
from collections.abc import Iterator

import numpy as np


@functools.lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of the `n` examples in `epoch`, int64 [n]."""
    order = np.argsort(np.random.Philox(key=[seed, epoch]).random_raw(n), kind="stable")
    order.setflags(write=False)
    return order


def stream(positions: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(epochs, examples) at `positions` of the stream over `n` examples, int64 like `positions`."""
    epochs = positions // n
    examples = np.empty_like(positions)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        examples[here] = permutation(seed, int(epoch), n)[positions[here] % n]
    return epochs, examples


def example_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers of one example in one epoch, whoever draws them.

    They are apart from those of the permutation.
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 1, index]))


def index_batches(
    n: int, batch_size: int, *, seed: int, start_step: int = 0
) -> Iterator[np.ndarray]:
    """The examples of batch `start_step`, of the next one, and so on for ever: int32 [B]."""
    step = start_step
    while True:
        positions = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
        yield stream(positions, n, seed)[1].astype(np.int32)
        step += 1
