"""Small datasets, decoded once and kept: the arrays that go to device memory."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.maps import eval_pair
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, is_random
from jaxcnn.data.pipeline.load import load_each, thread_count
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.data.sources.open import open_source

CHUNK = 256  # records read and decoded as one piece of work
KEPT = 3  # decoded splits kept in memory: training, evaluation, and one more
Progress = Callable[[int, int], None]  # (images decoded so far, images in all)

_kept: dict[tuple, "Decoded"] = {}
_lock = threading.Lock()


def is_small(data: Data, source: Source, preprocess: Preprocess | None = None) -> bool:
    """Whether the images of `source`, as the network sees them, fit in `data.resident_mib` MiB."""
    if preprocess:
        height, width, channels = preprocess.shape
    else:
        height, width, channels = source.image_shape or (224, 224, 3)
        height, width = data.image_size or height, data.image_size or width
        channels = data.channels or channels
    return len(source) * height * width * channels <= data.resident_mib << 20


def is_resident(data: Data, source: Source, preprocess: Preprocess | None = None) -> bool:
    """Whether `source` goes to device memory as a whole.

    With random host crops, which must be streamed, it never does.
    """
    if data.resident == "no" or is_random(data):
        return False
    return data.resident == "yes" or is_small(data, source, preprocess)


def resident_arrays(
    data: Data, split: str, preprocess: Preprocess, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 [N, S, S, C], labels int32 [N]) of `split` in its order, read-only.

    The last few splits are kept in memory. A corrupt record raises DataError, or with
    data.on_corrupt="skip" is replaced as in the stream and counted in a warning.
    """
    found = decoded(data, open_source(data, split), preprocess, progress)
    return found.images, found.labels


class Decoded(NamedTuple):
    """A whole split as evaluation sees it."""

    images: np.ndarray  # uint8 [N, S, S, C]
    labels: np.ndarray  # int32 [N], or maps uint8 [N, S, S]
    corrupt: np.ndarray  # bool [N], the records that did not decode and hold a replacement


def decoded(
    data: Data, source: Source, preprocess: Preprocess, progress: Progress | None = None
) -> Decoded:
    """All of `source` as evaluation sees it, in `data.threads` threads; see `resident_arrays`."""
    key = (source.identity, preprocess.geometry, data.on_corrupt)
    with _lock:
        if key not in _kept:
            while len(_kept) >= KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = _decode_all(data, source, preprocess, progress)
        return _kept[key]


def as_evaluated(
    example: Example, source: Source, preprocess: Preprocess
) -> tuple[np.ndarray, Any]:
    """(view uint8 [S, S, C], class or map of classes uint8 [S, S]) of an example of `source`."""
    image, label, key = example
    if source.maps:
        return eval_pair(image, label, preprocess, key, upright=source.upright)
    return eval_view(image, preprocess, key, upright=source.upright), label


def _decode_all(
    data: Data, source: Source, preprocess: Preprocess, progress: Progress | None
) -> Decoded:
    n = len(source)
    images = np.empty((n, *preprocess.shape), np.uint8)  # [N, S, S, C]
    labels = (
        np.empty((n, *preprocess.shape[:2]), np.uint8) if source.maps else np.empty(n, np.int32)
    )
    found = Decoded(images, labels, corrupt=np.zeros(n, bool))

    def load(start: int) -> int:
        rows = range(start, min(n, start + CHUNK))

        def place(example: Example, row: int) -> Any:
            found.images[rows[row]], label = as_evaluated(example, source, preprocess)
            return label

        for i, seen in zip(rows, load_each(data, source, rows, place), strict=True):
            found.labels[i], found.corrupt[i] = seen
        return len(rows)

    done = 0
    with ThreadPoolExecutor(thread_count(data)) as pool:
        for count in pool.map(load, range(0, n, CHUNK)):
            done += count
            if progress:
                progress(done, n)
    if found.corrupt.any():
        logging.getLogger(__name__).warning(
            "%s %s: %d of %d images are corrupt", source.name, source.split, found.corrupt.sum(), n
        )
    for array in found:
        array.setflags(write=False)
    return found
