"""Views of the images of a split: read and cut in threads, gathered by shape into batches, averaged an image."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import to_pixels
from jaxcnn.data.pipeline.load import thread_count
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.errors import DataError
from jaxcnn.evaluate.protocols import Protocol

Array = jax.Array


CHUNK = 16  # records that one thread reads and cuts at a time
IN_FLIGHT = 2  # batches on the device before the oldest one's result is awaited


def read_views(
    source: Source, protocol: Protocol, preprocess: Preprocess, data: Data
) -> Iterator[tuple[int, Example, list[np.ndarray]]]:
    """(index, record, its views) in order, decoded and cut in `data.threads` threads; no views of a corrupt record that is skipped."""

    def load(start: int) -> list[tuple[int, Example, list[np.ndarray]]]:
        rows = range(start, min(len(source), start + CHUNK))
        return [
            (i, example, cut(example)) for i, example in zip(rows, source.fetch(rows), strict=True)
        ]

    def cut(example: Example) -> list[np.ndarray]:
        try:
            pixels = to_pixels(
                example.image, preprocess.channels, example.key, upright=source.upright
            )
            return protocol.host_views(pixels, preprocess)
        except DataError:
            if data.on_corrupt != "skip":
                raise
            return []

    threads = thread_count(data)
    pool, ahead = ThreadPoolExecutor(threads), deque()
    try:
        for start in range(0, len(source), CHUNK):
            ahead.append(pool.submit(load, start))
            if len(ahead) > threads:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class Batches:
    """Views gathered by shape until a batch is full; rows shrink as views grow, so a batch takes about the same memory."""

    def __init__(
        self, size: int, most: int, devices: int, preprocess: Preprocess, protocol: Protocol
    ):
        self._pixels = size * preprocess.image_size**2 // (2 if protocol.mirrored else 1)
        self._most, self._devices = most, devices
        self._open: dict[tuple[int, ...], tuple[list[int], np.ndarray]] = {}
        self._seen: set[tuple[int, ...]] = set()

    @property
    def shapes(self) -> int:
        return len(self._seen)

    def _rows(self, shape: tuple[int, ...]) -> int:
        rows = min(self._most, max(1, self._pixels // (shape[0] * shape[1])))
        return -(-rows // self._devices) * self._devices

    def add(self, index: int, view: np.ndarray) -> Iterator[tuple[list[int], np.ndarray]]:
        """Takes a view of record `index`; yields (records of the rows, views uint8 [R, H, W, C]) if that fills a batch."""
        if view.shape not in self._open:
            self._seen.add(view.shape)
            self._open[view.shape] = [], np.zeros((self._rows(view.shape), *view.shape), np.uint8)
        owners, images = self._open[view.shape]
        images[len(owners)] = view
        owners.append(index)
        if len(owners) == len(images):
            yield self._open.pop(view.shape)

    def rest(self) -> Iterator[tuple[list[int], np.ndarray]]:
        """The batches that did not get full; the rows beyond their records are black and belong to nobody."""
        yield from self._open.values()


class Totals:
    """Sums of probabilities of every record, as logarithms [N, K]; a few batches are on their way while the host goes on."""

    def __init__(self, records: int, classes: int, score: Callable[[np.ndarray], Array]):
        self.table = np.full((records, classes), -np.inf, np.float32)
        self._score = score
        self._ahead: deque[tuple[list[int], Array]] = deque()

    def add(self, owners: list[int], images: np.ndarray) -> None:
        """Scores views [R, H, W, C], the first of which belong to the records `owners`."""
        self._ahead.append((owners, self._score(images)))
        self.wait(IN_FLIGHT)

    def wait(self, left: int = 0) -> None:
        """Takes results in until at most `left` batches are under way."""
        while len(self._ahead) > left:
            owners, scores = self._ahead.popleft()
            with np.errstate(
                invalid="ignore"
            ):  # a network that gives no numbers is reported as wrong, not as a warning
                for index, row in zip(owners, np.asarray(scores), strict=False):
                    self.table[index] = np.logaddexp(self.table[index], row)
