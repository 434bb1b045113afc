"""Images in, batches out: `batches` streams them, `resident_arrays` and `index_batches` serve datasets that fit in device memory.

Both give the same global batch k, a function of (seed, k) alone: not of threads, processes, devices or how often the run was stopped.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import SupportsIndex

import grain
import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import check_crops, eval_view, train_view
from jaxcnn.data.pipeline.load import load_each, thread_count
from jaxcnn.data.pipeline.order import example_rng, stream
from jaxcnn.data.pipeline.resident import decoded, is_resident
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError

Batch = dict[str, np.ndarray]

Fill = Callable[[int, range, Batch], None]  # (step, rows, the batch to fill them in)
ENDLESS = 1 << 40  # steps
CHUNK = 16  # images that one thread reads and decodes as one element of the Grain pipeline, whose own cost is 34 us an element


def batches(
    data: Data,
    split: str,
    *,
    seed: int,
    preprocess: Preprocess,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    train: bool = True,
    source: Source | None = None,
) -> Iterator[Batch]:
    """This process's share of the global batches `start_step`, `start_step` + 1 ... as NumPy arrays, b = global batch / `process_count`.

    image uint8 [b, S, S, C], label int32 [b], mask float32 [b], index int32 [b] (of the record in `split`), corrupt float32 [b] (1 where a
    record did not decode: with data.on_corrupt="skip" training sees its replacement). Training never ends. Evaluation goes once through
    `split`, every process through a contiguous share of it in as many batches as the others; mask is 0 in the rows that pad the last
    batches (index -1) and for corrupt records. `source` is `split` already opened, else it is opened here. Raises DataError for data that
    cannot be read and for a batch size that does not divide.
    """
    source = source or open_source(data, split)
    size = data.batch_size if train else data.eval_batch_size or data.batch_size
    if size % process_count:
        field = "batch_size" if train else "eval_batch_size"
        raise DataError(
            f"data.{field}={size} does not divide over {process_count} processes; choose a multiple of {process_count}"
        )
    local = size // process_count
    if train:
        check_crops(data, preprocess)
        fill = _training(
            data, source, preprocess, seed, lambda step: step * size + process_index * local
        )
        steps = ENDLESS
    else:
        share = -(-len(source) // process_count)
        end = min(len(source), (process_index + 1) * share)
        fill = _evaluation(
            data,
            source,
            preprocess,
            lambda step: min(end, process_index * share + step * local),
            end,
        )
        steps = max(0, -(-share // local) - start_step)
    return _stream(
        lambda step, *args: fill(start_step + step, *args),
        steps,
        local,
        preprocess.shape,
        thread_count(data),
    )


def _training(
    data: Data, source: Source, preprocess: Preprocess, seed: int, first: Callable[[int], int]
) -> Fill:
    """Fills rows of batch `step`, whose first row stands at position `first(step)` of the stream, with random views."""

    def fill(step: int, rows: range, batch: Batch) -> None:
        positions = first(step) + np.arange(rows.start, rows.stop, dtype=np.int64)
        epochs, indices = stream(positions, len(source), seed)

        def place(example: Example, row: int) -> None:
            rng = example_rng(seed, int(epochs[row]), int(indices[row]))
            train_view(
                example.image, data, preprocess, rng, example.key, out=batch["image"][rows[row]]
            )

        for row, seen in zip(rows, load_each(data, source, indices, place), strict=True):
            batch["label"][row], batch["corrupt"][row] = seen
            batch["index"][row], batch["mask"][row] = indices[row - rows.start], 1

    return fill


def _evaluation(
    data: Data, source: Source, preprocess: Preprocess, first: Callable[[int], int], end: int
) -> Fill:
    """Fills rows of batch `step`, which begins with record `first(step)`, with evaluation views of records before `end`."""
    kept = decoded(data, source, preprocess) if is_resident(data, source, preprocess) else None

    def fill(step: int, rows: range, batch: Batch) -> None:
        indices = range(first(step) + rows.start, min(end, first(step) + rows.stop))

        def place(example: Example, row: int) -> None:
            batch["image"][rows[row]] = eval_view(example.image, preprocess, example.key)

        if kept:
            batch["image"][rows.start : rows.start + len(indices)] = kept.images[
                indices.start : indices.stop
            ]
            found: Iterable = zip(
                kept.labels[indices.start : indices.stop],
                kept.corrupt[indices.start : indices.stop],
                strict=True,
            )
        else:
            found = load_each(data, source, indices, place)
        for row, index, seen in zip(
            rows, indices, found, strict=False
        ):  # rows beyond `end` keep mask 0
            batch["label"][row], batch["corrupt"][row] = seen
            batch["index"][row], batch["mask"][row] = index, 1 - batch["corrupt"][row]

    return fill


class _Pieces:
    """What Grain's threads fetch: piece j is CHUNK rows of batch j // pieces, written where they belong in the batch."""

    def __init__(self, fill: Fill, steps: int, local: int, shape: tuple[int, int, int]):
        self._fill, self._local, self._shape = fill, local, shape
        self.each = -(-local // CHUNK)
        self._length = steps * self.each
        self._open: dict[int, Batch] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: SupportsIndex) -> int:
        piece = int(index)
        step, part = divmod(piece, self.each)
        with self._lock:
            batch = self._open.get(step) or self._open.setdefault(step, self._empty())
        self._fill(step, range(part * CHUNK, min(self._local, (part + 1) * CHUNK)), batch)
        return piece

    def _empty(self) -> Batch:
        return {
            "image": np.zeros((self._local, *self._shape), np.uint8),
            "label": np.zeros(self._local, np.int32),
            "mask": np.zeros(self._local, np.float32),
            "index": np.full(self._local, -1, np.int32),
            "corrupt": np.zeros(self._local, np.float32),
        }

    def take(self, step: int) -> Batch:
        """The batch, once all its pieces are done."""
        with self._lock:
            return self._open.pop(step)


def _stream(
    fill: Fill, steps: int, local: int, shape: tuple[int, int, int], threads: int
) -> Iterator[Batch]:
    """Batches filled by `threads` threads: two batches ahead, or one piece a thread."""
    pieces = _Pieces(fill, steps, local, shape)
    if not steps:
        return
    options = grain.ReadOptions(
        num_threads=threads, prefetch_buffer_size=max(2 * pieces.each, threads)
    )
    for piece in grain.MapDataset.source(pieces).to_iter_dataset(
        options
    ):  # in order, whichever is ready first
        if (piece + 1) % pieces.each == 0:
            yield pieces.take(piece // pieces.each)
