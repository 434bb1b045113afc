"""Fills batches in parallel: Grain's threads each fill a piece of a batch, in memory of the batch.

Grain is made for pipelines whose elements are examples that are stacked at the end. Here that would
copy every pixel once more and cost 34 us an example. So what goes through Grain is work: its
elements are the numbers of pieces of CHUNK rows, in order, and mapping a number fills these rows of
a batch that lies here. A batch is handed on when Grain delivers the number of its last piece, since
it delivers them in order, whichever is ready first.
"""

import threading
from collections.abc import Callable, Iterator

import grain
import numpy as np

from jaxcnn.data.images.maps import VOID

Batch = dict[str, np.ndarray]
Fill = Callable[[int, range, Batch], None]  # (step, rows, the batch to fill them in)

CHUNK = 16  # rows that one thread reads and decodes as one piece


def empty_batch(rows: int, shape: tuple[int, int, int], maps: bool = False) -> Batch:
    """A batch whose rows do not count: mask 0 and index -1; with `maps` its labels are maps."""
    labels = np.full((rows, *shape[:2]), VOID, np.uint8) if maps else np.zeros(rows, np.int32)
    return {
        "image": np.zeros((rows, *shape), np.uint8),  # [b, S, S, C]
        "label": labels,  # [b] or [b, S, S]
        "mask": np.zeros(rows, np.float32),
        "index": np.full(rows, -1, np.int32),
        "corrupt": np.zeros(rows, np.float32),
    }


def assemble(
    fill: Fill,
    *,
    steps: int,
    rows: int,
    shape: tuple[int, int, int],
    threads: int,
    maps: bool = False,
) -> Iterator[Batch]:
    """`steps` batches of `rows` images of `shape` that `fill` filled, in `threads` threads.

    With `maps` each label is a map of classes. The threads work ahead by two batches, or by one
    piece each if that is more. What `fill` raises is raised here.
    """
    if not steps:
        return
    work = _Assembly(fill, lambda: empty_batch(rows, shape, maps), rows)
    ahead = max(2 * work.pieces, threads)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    pieces = grain.MapDataset.range(steps * work.pieces).map(work.fill_piece)
    for piece in pieces.to_iter_dataset(options):
        step, part = divmod(int(piece), work.pieces)
        if part == work.pieces - 1:
            yield work.take(step)


class _Assembly:
    """The batches that are being filled, by their step; piece j belongs to batch j // pieces."""

    def __init__(self, fill: Fill, empty: Callable[[], Batch], rows: int):
        self._fill, self._empty, self._rows = fill, empty, rows
        self.pieces = -(-rows // CHUNK)  # of each batch
        self._open: dict[int, Batch] = {}
        self._lock = threading.Lock()

    def fill_piece(self, piece: int) -> int:
        """Fills the rows of this piece, in whatever thread calls it; returns its number."""
        step, part = divmod(int(piece), self.pieces)
        with self._lock:
            if step not in self._open:
                self._open[step] = self._empty()
            batch = self._open[step]
        rows = range(part * CHUNK, min(self._rows, (part + 1) * CHUNK))
        self._fill(step, rows, batch)
        return piece

    def take(self, step: int) -> Batch:
        """The batch, all of whose pieces must be filled."""
        with self._lock:
            return self._open.pop(step)
