"""Random access to the records of ArrayRecord files, and the protocol buffers in them.

array_record's own data source starts threads for every request; here a request is read by the
thread that makes it, of which the pipeline has as many as it was told to have.
"""

import bisect
import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.errors import DataError, UnreadableError, one_line

OPTIONS = "readahead_buffer_size:0,max_parallelism:1"  # records are asked for in random order


class Records:
    """Parts of files as one sequence of records; safe for threads.

    The parts are TFDS's file instructions: objects with `filename`, `skip` and `take`.
    """

    def __init__(self, instructions: Sequence[Any]):
        self._parts = [(str(part.filename), int(part.skip)) for part in instructions]
        self._ends = list(itertools.accumulate(int(part.take) for part in instructions))
        self._readers: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, indices: Sequence[int] | np.ndarray) -> list[bytes]:
        """The records at `indices`, in their order; those of one file in one request.

        Raises DataError if one of them is damaged, UnreadableError where the file is gone.
        """
        wanted: dict[str, tuple[list[int], list[int]]] = {}
        for place, index in enumerate(indices):
            part = bisect.bisect_right(self._ends, index)
            file, skip = self._parts[part]
            positions, places = wanted.setdefault(file, ([], []))
            positions.append(skip + int(index) - (self._ends[part - 1] if part else 0))
            places.append(place)
        records = [b""] * len(indices)
        for file, (positions, places) in wanted.items():
            for place, record in zip(places, self._read_file(file, positions), strict=True):
                records[place] = record
        return records

    def _read_file(self, file: str, positions: list[int]) -> list[bytes]:
        try:
            return self._reader(file).read(positions)
        except (RuntimeError, ValueError) as error:
            if not Path(file).is_file():
                raise UnreadableError(
                    f"{file} is gone; restore the file or mount its disk again, "
                    "then run the same command"
                ) from None
            raise DataError(f"{file} is damaged: {one_line(error)}") from None

    def _reader(self, file: str) -> Any:
        with self._lock:
            if file not in self._readers:
                from array_record.python.array_record_module import ArrayRecordReader

                self._readers[file] = ArrayRecordReader(file, OPTIONS)
            return self._readers[file]


def parse_example(record: bytes) -> dict[str, list]:
    """{feature: values} of a serialised tf.train.Example: lists of bytes and of integers.

    Lists of floats are left out. Raises ValueError if the record is cut short.
    """
    fields: dict[str, list] = {}
    # A view, so that an image is copied once, not at every level.
    for _, features in _messages(memoryview(record)):
        for _, entry in _messages(features):
            parts = dict(_messages(entry))  # 1: key, 2: Feature
            for kind, values in _messages(parts.get(2, memoryview(b""))):
                if kind == 1:
                    fields[str(parts[1], "utf-8")] = [
                        bytes(value) for _, value in _messages(values)
                    ]
                elif kind == 3:
                    fields[str(parts[1], "utf-8")] = list(_integers(values))
    return fields


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _messages(data: memoryview) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protocol buffer of integers and of contents with a length."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            if at + value > len(data):
                raise ValueError("a record is cut short")
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            yield tag >> 3, value


def _integers(data: memoryview) -> Iterator[int]:
    for _, value in _messages(data):
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield number - (1 << 64) if number >> 63 else number
