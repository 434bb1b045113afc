"""Records read once in their order, with whatever is made of each: how evaluation reads."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, SupportsIndex, TypeVar

import grain

from jaxcnn.config.schema import Data
from jaxcnn.data.pipeline.load import load_each, thread_count
from jaxcnn.data.sources.base import Example, Source

CHUNK = 16  # records that one thread reads and cuts as one element of the Grain pipeline

Made = TypeVar("Made")


class Read(NamedTuple, Generic[Made]):
    """One record: its place in the split, its label, its key, and what was made of it.

    `made` is None where the record is corrupt and data.on_corrupt="skip" leaves it out.
    """

    index: int
    label: Any
    key: str
    made: Made | None


class _Chunks(Generic[Made]):
    """What Grain's threads fetch: element j is the records CHUNK j to CHUNK (j + 1) of a range."""

    def __init__(self, data: Data, source: Source, records: range, make: Callable[[Example], Made]):
        self._data, self._source, self._records, self._make = data, source, records, make

    def __len__(self) -> int:
        return -(-len(self._records) // CHUNK)

    def __getitem__(self, index: SupportsIndex) -> list[Read[Made]]:
        start = CHUNK * int(index)
        rows = self._records[start : start + CHUNK]
        placed: dict[int, tuple[Made, str]] = {}

        def place(example: Example, row: int) -> Any:
            placed[row] = self._make(example), example.key
            return example.label

        read = []
        for row, (label, corrupt) in enumerate(load_each(self._data, self._source, rows, place)):
            made, key = placed.pop(row)
            read.append(Read(rows[row], label, "" if corrupt else key, None if corrupt else made))
        return read


def read_in_order(
    data: Data, source: Source, records: range, make: Callable[[Example], Made]
) -> Iterator[Read[Made]]:
    """The `records` of `source`, once and in order, read and `make`d in `data.threads` threads.

    A corrupt record raises DataError, or is left out (`made` None) as `load_each` says.
    """
    threads = thread_count(data)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    chunks = grain.MapDataset.source(_Chunks(data, source, records, make))
    for chunk in chunks.to_iter_dataset(options):
        yield from chunk
