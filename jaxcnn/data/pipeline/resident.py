"""Small datasets, decoded once and kept: the arrays that go to device memory, and the statistics measured on them."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxcnn.config.schema import Data
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
    """Whether the images of `source`, as the network sees them, take at most `data.resident_mib` MiB."""
    if preprocess:
        height, width, channels = preprocess.shape
    else:
        height, width, channels = source.image_shape or (224, 224, 3)
        height, width, channels = (
            data.image_size or height,
            data.image_size or width,
            data.channels or channels,
        )
    return len(source) * height * width * channels <= data.resident_mib << 20


def is_resident(data: Data, source: Source, preprocess: Preprocess | None = None) -> bool:
    """Whether `source` goes to device memory as a whole. Random host crops must be streamed, so with them it never does."""
    if data.resident == "no" or is_random(data):
        return False
    return data.resident == "yes" or is_small(data, source, preprocess)


def resident_arrays(
    data: Data, split: str, preprocess: Preprocess, progress: Progress | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 [N, S, S, C], labels int32 [N]) of `split` in its order, read-only; the last few are kept in memory.

    A corrupt record raises DataError, or with data.on_corrupt="skip" is replaced as in the stream and counted in a warning.
    """
    found = decoded(data, open_source(data, split), preprocess, progress)
    return found.images, found.labels


class Decoded(NamedTuple):
    """A whole split: images uint8 [N, S, S, C], labels int32 [N], and which records are corrupt and hold a replacement, bool [N]."""

    images: np.ndarray
    labels: np.ndarray
    corrupt: np.ndarray


def decoded(
    data: Data, source: Source, preprocess: Preprocess, progress: Progress | None = None
) -> Decoded:
    """All of `source` as evaluation sees it, in `data.threads` threads; see `resident_arrays`."""
    geometry = (
        preprocess.image_size,
        preprocess.channels,
        preprocess.pad,
        preprocess.crop_fraction,
        preprocess.interpolation,
    )
    key = (source.identity, geometry, data.on_corrupt)
    with _lock:
        if key not in _kept:
            while len(_kept) >= KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = _decode_all(data, source, preprocess, progress)
        return _kept[key]


def _decode_all(
    data: Data, source: Source, preprocess: Preprocess, progress: Progress | None
) -> Decoded:
    n = len(source)
    found = Decoded(
        np.empty((n, *preprocess.shape), np.uint8), np.empty(n, np.int32), np.zeros(n, bool)
    )

    def load(start: int) -> int:
        rows = range(start, min(n, start + CHUNK))

        def place(example: Example, row: int) -> None:
            found.images[rows[row]] = eval_view(example.image, preprocess, example.key)

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


def moments(
    data: Data, source: Source, preprocess: Preprocess
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, standard deviation) of each channel over all pixels of `source` that the network sees, 0-255, to four decimals."""
    images = decoded(data, source, preprocess).images
    counts = np.zeros((images.shape[-1], 256), np.int64)  # exact, whatever the order of summation
    for start in range(0, len(images), CHUNK):
        for channel in range(images.shape[-1]):
            counts[channel] += np.bincount(
                images[start : start + CHUNK, ..., channel].reshape(-1), minlength=256
            )
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(axis=1)
    variance = counts @ levels**2 / counts.sum(axis=1) - mean**2
    return tuple(round(float(m), 4) for m in mean), tuple(
        round(float(v) ** 0.5, 4) for v in variance
    )


def mean_image(data: Data, source: Source, preprocess: Preprocess) -> np.ndarray:
    """The mean of `source` at every pixel that the network sees, [S, S, C], 0-255."""
    images = decoded(data, source, preprocess).images
    total = np.zeros(preprocess.shape)
    for start in range(0, len(images), CHUNK):
        total += images[start : start + CHUNK].sum(axis=0, dtype=np.int64)
    return total / len(images)
