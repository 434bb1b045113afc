"""Batches taken from an endless iterator, and compared."""

import itertools

import numpy as np


def take(n, iterator):
    """The first `n` of it, as a list."""
    return list(itertools.islice(iterator, n))


def same(first, second):
    """Whether two batches are equal, bit for bit."""
    if first.keys() != second.keys():
        return False
    return all(np.array_equal(first[name], second[name]) for name in first)
