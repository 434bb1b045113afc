"""Batches of a split, streamed through the host: read, decoded and cropped as they are needed.

They are the batches that `resident.py` and `order.index_batches` give for a set that fits in device
memory: global batch k is a function of (seed, k) alone, not of threads, processes, devices or how
often the run was stopped.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.maps import train_pair
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import check_crops, train_view
from jaxcnn.data.pipeline.assemble import Batch, Fill, assemble
from jaxcnn.data.pipeline.load import load_each, thread_count
from jaxcnn.data.pipeline.order import example_rng, stream
from jaxcnn.data.pipeline.resident import Decoded, as_evaluated, decoded, is_resident
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError

ENDLESS = 1 << 40  # steps

First = Callable[[int], int]  # step -> position or record of the first row of its batch


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
    """This process's share of global batches `start_step`, `start_step` + 1 ... as NumPy arrays.

    image uint8 [b, S, S, C], label int32 [b] (or maps uint8 [b, S, S]), mask float32 [b], index
    int32 [b] (of the record in `split`), corrupt float32 [b] (1 where a record did not decode: with
    data.on_corrupt="skip" training sees its replacement); b is the global batch size over
    `process_count`.

    Training never ends. Evaluation goes once through `split`, every process through a contiguous
    share of it in as many batches as the others; mask is 0 in the rows that pad the last batches
    (index -1) and for corrupt records. `source` is `split` already opened, else it is opened here.

    Raises DataError for data that cannot be read and for a batch size that does not divide.
    """
    source = source or open_source(data, split)
    size = data.batch_size if train else data.eval_batch_size or data.batch_size
    if size % process_count:
        field = "batch_size" if train else "eval_batch_size"
        raise DataError(
            f"data.{field}={size} does not divide over {process_count} processes; "
            f"choose a multiple of {process_count}"
        )
    local = size // process_count
    if train:
        check_crops(data, preprocess)
        first = _every(size, process_index * local)
        fill = _training(data, source, preprocess, seed=seed, first=first)
        steps = ENDLESS
    else:
        share = -(-len(source) // process_count)
        end = min(len(source), (process_index + 1) * share)
        first = _every(local, process_index * share)
        fill = _evaluation(data, source, preprocess, first=first, end=end)
        steps = max(0, -(-share // local) - start_step)
    return assemble(
        lambda step, rows, batch: fill(start_step + step, rows, batch),
        steps=steps,
        rows=local,
        shape=preprocess.shape,
        threads=thread_count(data),
        maps=source.maps,
    )


def _every(size: int, begin: int) -> First:
    return lambda step: begin + step * size


def _training(
    data: Data, source: Source, preprocess: Preprocess, *, seed: int, first: First
) -> Fill:
    """Fills rows of batch `step` with random views; its first row stands at `first(step)`."""

    def fill(step: int, rows: range, batch: Batch) -> None:
        positions = first(step) + np.arange(rows.start, rows.stop, dtype=np.int64)
        epochs, indices = stream(positions, len(source), seed)

        def place(example: Example, row: int) -> Any:
            def rng() -> np.random.Generator:
                return example_rng(seed, int(epochs[row]), int(indices[row]))

            out, (image, label, key) = batch["image"][rows[row]], example
            kw = {"key": key, "upright": source.upright}
            if source.maps:
                out[:], label = train_pair(image, label, data, preprocess, rng, **kw)
            else:
                train_view(image, data, preprocess, rng(), out=out, **kw)
            return label

        for row, seen in zip(rows, load_each(data, source, indices, place), strict=True):
            batch["label"][row], batch["corrupt"][row] = seen
            batch["index"][row], batch["mask"][row] = indices[row - rows.start], 1

    return fill


def _evaluation(
    data: Data, source: Source, preprocess: Preprocess, *, first: First, end: int
) -> Fill:
    """Fills rows of batch `step`, which begins with record `first(step)`, with evaluation views.

    Rows for records from `end` on keep mask 0.
    """
    if is_resident(data, source, preprocess):
        return _copies(decoded(data, source, preprocess), first, end)

    def fill(step: int, rows: range, batch: Batch) -> None:
        indices = range(min(end, first(step) + rows.start), min(end, first(step) + rows.stop))

        def place(example: Example, row: int) -> Any:
            batch["image"][rows[row]], label = as_evaluated(example, source, preprocess)
            return label

        loaded = load_each(data, source, indices, place)
        for row, index, seen in zip(rows[: len(indices)], indices, loaded, strict=True):
            batch["label"][row], batch["corrupt"][row] = seen
            batch["index"][row], batch["mask"][row] = index, 1 - batch["corrupt"][row]

    return fill


def _copies(kept: Decoded, first: First, end: int) -> Fill:
    """Fills rows as `_evaluation` does, from a split that is decoded already."""

    def fill(step: int, rows: range, batch: Batch) -> None:
        records = slice(min(end, first(step) + rows.start), min(end, first(step) + rows.stop))
        filled = slice(rows.start, rows.start + records.stop - records.start)
        batch["image"][filled] = kept.images[records]
        batch["label"][filled] = kept.labels[records]
        batch["corrupt"][filled] = kept.corrupt[records]
        batch["index"][filled] = np.arange(records.start, records.stop)
        batch["mask"][filled] = 1 - batch["corrupt"][filled]

    return fill
