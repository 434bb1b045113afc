"""Images in, batches out: `batches` streams them, `resident_arrays` and `index_batches` serve datasets that fit in device memory.

Both give the same global batch k, a function of (seed, k) alone: not of threads, processes, devices or how often the run was stopped.
"""

from collections.abc import Iterator

import grain
import numpy as np

from jaxcnn.config import Data
from jaxcnn.data.errors import DataError
from jaxcnn.data.load import load_views, thread_count
from jaxcnn.data.order import example_rng, index_batches, stream
from jaxcnn.data.preprocess import Preprocess, resolve
from jaxcnn.data.resident import decoded, is_resident, is_small, resident_arrays
from jaxcnn.data.sources import Example, Source, default_eval_split, open_source
from jaxcnn.data.views import check_crops, eval_view, train_view

__all__ = [
    "DataError",
    "Example",
    "Preprocess",
    "Source",
    "batches",
    "default_eval_split",
    "index_batches",
    "is_resident",
    "is_small",
    "open_source",
    "resident_arrays",
    "resolve",
]

Batch = dict[str, np.ndarray]
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
) -> Iterator[Batch]:
    """This process's share of the global batches `start_step`, `start_step` + 1 ... as NumPy arrays, b = global batch / `process_count`.

    image uint8 [b, S, S, C], label int32 [b], mask float32 [b], index int32 [b] (of the record in `split`), corrupt float32 [b] (1 where a
    record did not decode: with data.on_corrupt="skip" training sees its replacement). Training never ends. Evaluation goes once through
    `split`, every process through a contiguous share of it in as many batches as the others; mask is 0 in the rows that pad the last
    batches (index -1) and for corrupt records. Raises DataError for data that cannot be read, ConfigError's kin for a batch size that does
    not divide.
    """
    source = open_source(data, split)
    size = data.batch_size if train else data.eval_batch_size or data.batch_size
    if size % process_count:
        field = "batch_size" if train else "eval_batch_size"
        raise DataError(f"data.{field}={size} does not divide over {process_count} processes; choose a multiple of {process_count}")
    local = size // process_count
    if train:
        check_crops(data, preprocess)
        plan = _Training(data, source, preprocess, seed, start_step, size, local, process_index)
    else:
        plan = _Evaluation(data, source, preprocess, start_step, local, process_index, process_count)
    return _collated(plan, local, thread_count(data))


class _Training:
    """Pieces of the training stream: piece j holds rows of batch j // pieces, as Grain asks for them, in any order and thread."""

    def __init__(self, data: Data, source: Source, preprocess: Preprocess, seed: int, start: int, size: int, local: int, process: int):
        self._data, self._source, self._preprocess, self._seed = data, source, preprocess, seed
        self._start, self._size, self._local, self._process = start, size, local, process
        self._pieces = -(-local // CHUNK)

    def __len__(self) -> int:
        return 1 << 62  # no end

    def __getitem__(self, piece: int) -> Batch:
        step, part = divmod(int(piece), self._pieces)
        rows = np.arange(part * CHUNK, min(self._local, (part + 1) * CHUNK), dtype=np.int64)
        positions = (self._start + step) * self._size + self._process * self._local + rows
        epochs, indices = stream(positions, len(self._source), self._seed)

        def view(example: Example, row: int) -> np.ndarray:
            rng = example_rng(self._seed, int(epochs[row]), int(indices[row]))
            return train_view(example.image, self._data, self._preprocess, rng, example.key)

        images, labels, corrupt = zip(*load_views(self._data, self._source, indices, view), strict=True)
        return _batch(np.stack(images), labels, np.ones(len(rows)), indices, corrupt)


class _Evaluation:
    """Pieces of this process's contiguous share of the split, padded to whole batches."""

    def __init__(self, data: Data, source: Source, preprocess: Preprocess, start: int, local: int, process: int, processes: int):
        self._data, self._source, self._preprocess, self._local = data, source, preprocess, local
        share = -(-len(source) // processes)
        self._first, self._end = process * share, min(len(source), (process + 1) * share)
        self._start, self._batches = start, -(-share // local)
        self._pieces = -(-local // CHUNK)
        self._kept = decoded(data, source, preprocess) if is_resident(data, source, preprocess) else None

    def __len__(self) -> int:
        return max(0, self._batches - self._start) * self._pieces

    def __getitem__(self, piece: int) -> Batch:
        step, part = divmod(int(piece), self._pieces)
        rows = min(self._local, (part + 1) * CHUNK) - part * CHUNK
        first = min(self._end, self._first + (self._start + step) * self._local + part * CHUNK)
        indices = np.arange(first, min(self._end, first + rows))
        padding = rows - len(indices)
        images = np.zeros((rows, *self._preprocess.shape), np.uint8)
        labels, corrupt = np.zeros(rows), np.zeros(rows)
        if self._kept:
            for into, kept in zip((images, labels, corrupt), self._kept, strict=True):
                into[: len(indices)] = kept[indices]
        elif len(indices):
            found = load_views(self._data, self._source, indices, lambda e, _: eval_view(e.image, self._preprocess, e.key))
            for row, seen in enumerate(found):
                images[row], labels[row], corrupt[row] = seen
        real = np.arange(rows) < len(indices)
        return _batch(images, labels, real & (corrupt == 0), np.pad(indices, (0, padding), constant_values=-1), corrupt)


def _batch(images: np.ndarray, labels, mask, indices, corrupt) -> Batch:
    return {
        "image": images,
        "label": np.asarray(labels, np.int32),
        "mask": np.asarray(mask, np.float32),
        "index": np.asarray(indices, np.int32),
        "corrupt": np.asarray(corrupt, np.float32),
    }


def _collated(plan: _Training | _Evaluation, local: int, threads: int) -> Iterator[Batch]:
    """Batches from pieces that `threads` threads make ahead of time: two batches ahead, or one piece a thread."""
    pieces = -(-local // CHUNK)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(2 * pieces, threads))
    if not len(plan):
        return
    dataset = grain.MapDataset.source(plan).to_iter_dataset(options)
    parts: list[Batch] = []
    for part in dataset:
        parts.append(part)
        if len(parts) == pieces:
            yield {name: np.concatenate([p[name] for p in parts]) for name in part}
            parts = []
