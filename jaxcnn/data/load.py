"""Records to views, with what happens to a corrupt one."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxcnn.config import Data
from jaxcnn.data.errors import DataError
from jaxcnn.data.sources import Example, Source

MAX_REPLACEMENTS = 100  # corrupt records in a row that are skipped


class View(NamedTuple):
    image: np.ndarray  # uint8 [S, S, C]
    label: int
    corrupt: bool  # the record does not decode, and this is its replacement


def thread_count(data: Data) -> int:
    """`data.threads`, or one a core that this process may use."""
    return data.threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else data.threads or os.cpu_count() or 1


def load_views(data: Data, source: Source, indices: Sequence[int], view: Callable[[Example, int], np.ndarray]) -> Iterator[View]:
    """`view(example, row)` of the records at `indices`, one after the other, read in one request.

    A record that does not decode raises DataError, or with data.on_corrupt="skip" is replaced by the next one that does, by position.
    """
    for row, example in enumerate(source.fetch(indices)):
        try:
            yield View(view(example, row), example.label, False)
        except DataError:
            if data.on_corrupt != "skip":
                raise
            yield _replacement(source, int(indices[row]), lambda e, row=row: view(e, row))


def _replacement(source: Source, index: int, view: Callable[[Example], np.ndarray]) -> View:
    for step in range(1, min(MAX_REPLACEMENTS, len(source) - 1) + 1):
        example = source[(index + step) % len(source)]
        try:
            return View(view(example), example.label, True)
        except DataError:
            continue
    raise DataError(
        f"{source.name} {source.split}: record {index} and the {MAX_REPLACEMENTS} after it are corrupt; prepare the dataset again"
    )
