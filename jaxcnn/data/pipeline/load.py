"""Reading records for a batch, and what happens to a corrupt one."""

import os
from collections.abc import Callable, Iterator
from typing import Any

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.base import Example, Indices, Source
from jaxcnn.errors import DataError

Place = Callable[[Example, int], Any]
MAX_REPLACEMENTS = 100  # corrupt records in a row that are skipped


def thread_count(data: Data) -> int:
    """`data.threads`, or one a core that this process may use."""
    if data.threads:
        return data.threads
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_each(
    data: Data, source: Source, indices: Indices, place: Place
) -> Iterator[tuple[Any, bool]]:
    """Calls `place(example, row)` for the records at `indices`, which are read in one request.

    Yields (label, whether it is a replacement) of each. `place` decodes the image, puts it in row
    `row` of a batch and returns the label, a class or a map of classes. A record that does not
    decode raises DataError, or with data.on_corrupt="skip" is replaced by the next one that does.
    """
    for row, example in enumerate(source.fetch(indices)):
        try:
            yield place(example, row), False
        except DataError:
            if data.on_corrupt != "skip":
                raise
            yield _replace(source, int(indices[row]), row, place), True


def _replace(source: Source, index: int, row: int, place: Place) -> Any:
    """Places the first record after `index` that decodes; returns its label."""
    for step in range(1, min(MAX_REPLACEMENTS, len(source) - 1) + 1):
        example = source[(index + step) % len(source)]
        try:
            return place(example, row)
        except DataError:
            continue
    raise DataError(
        f"{source.name} {source.split}: record {index} and the {MAX_REPLACEMENTS} after it are "
        "corrupt; prepare the dataset again"
    )
