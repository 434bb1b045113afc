"""Views of images gathered by shape into batches, and their scores summed image by image."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

IN_FLIGHT = 2  # batches on the device before the oldest one's result is awaited


class Views(NamedTuple):
    """A batch: views uint8 [R, H, W, C], of which the first belong to the images `owners`."""

    owners: list[int]
    pixels: np.ndarray


class Batches:
    """Views gathered by shape until a batch of that shape is full.

    `pixels` is what a batch may hold (height times width, over all rows), `most` the rows it has at
    most. So rows shrink as views grow, and every batch takes about the same memory. Rows are a
    multiple of `devices`.
    """

    def __init__(self, *, pixels: int, most: int, devices: int):
        self._pixels, self._most, self._devices = pixels, most, devices
        self._open: dict[tuple[int, ...], Views] = {}
        self._seen: set[tuple[int, ...]] = set()

    @property
    def shapes(self) -> int:
        """How many shapes of view came; for each, one program is compiled."""
        return len(self._seen)

    def _rows(self, shape: tuple[int, ...]) -> int:
        rows = min(self._most, max(1, self._pixels // (shape[0] * shape[1])))
        return -(-rows // self._devices) * self._devices

    def add(self, owner: int, view: np.ndarray) -> Iterator[Views]:
        """Takes a view uint8 [H, W, C] of image `owner`; yields the batch that it fills, if any."""
        if view.shape not in self._open:
            self._seen.add(view.shape)
            empty = np.zeros((self._rows(view.shape), *view.shape), np.uint8)  # [R, H, W, C]
            self._open[view.shape] = Views([], empty)
        batch = self._open[view.shape]
        batch.pixels[len(batch.owners)] = view
        batch.owners.append(owner)
        if len(batch.owners) == len(batch.pixels):
            yield self._open.pop(view.shape)

    def rest(self) -> Iterator[Views]:
        """The batches that did not get full; rows beyond their owners count nothing."""
        yield from self._open.values()


class Totals:
    """The sums of every image's probabilities over its views, as logarithms: float32 [N, K].

    `score` turns views [R, H, W, C] into log-probabilities [R, K] on the devices. A few batches are
    under way there while the host goes on.
    """

    def __init__(self, images: int, classes: int, score: Callable[[np.ndarray], jax.Array]):
        self.table = np.full((images, classes), -np.inf, np.float32)
        self._score = score
        self._ahead: deque[tuple[list[int], jax.Array]] = deque()

    def add(self, batch: Views) -> None:
        """Sends a batch to the devices, and takes in the result of an earlier one."""
        self._ahead.append((batch.owners, self._score(batch.pixels)))
        self.wait(IN_FLIGHT)

    def wait(self, left: int = 0) -> None:
        """Takes results in until at most `left` batches are under way."""
        while len(self._ahead) > left:
            owners, scores = self._ahead.popleft()
            # a network that gives no numbers is reported as wrong, not as a warning of NumPy
            with np.errstate(invalid="ignore"):
                for owner, row in zip(owners, np.asarray(scores), strict=False):
                    self.table[owner] = np.logaddexp(self.table[owner], row)
