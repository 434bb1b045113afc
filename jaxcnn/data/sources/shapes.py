"""Generated pictures of circles, squares and triangles, each pixel labelled.

A small set for trying segmentation without a download: NumPy draws it from a seed, the same
everywhere.
"""

import functools

import numpy as np

from jaxcnn.data.sources.base import Example, Indices, split_indices

SIDE = 64  # pixels
SIZES = {"train": 2000, "test": 400}
COLOURS = {1: (190, 80, 80), 2: (80, 180, 80), 3: (80, 90, 200)}  # the means of RGB
SEEDS = {"train": 1, "test": 2}


class Shapes:
    """64x64 RGB pictures of one to four shapes, which may hide each other; 2,000 and 400 of them.

    Circles tend to red, squares to green, triangles to blue, before a grey background; noise and
    overlapping ranges of colours leave the rest to outlines.
    """

    name = "shapes"
    image_shape: tuple[int, int, int] | None = (SIDE, SIDE, 3)
    class_names = ["background", "circle", "square", "triangle"]
    upright = True
    maps = True

    def __init__(self, split: str):
        self.split, self.splits = split, dict(SIZES)
        parts = split_indices(split, self.splits, "shapes")
        self._members = [(name, i) for name, indices in parts for i in indices]
        self.identity = f"shapes {split}"

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> Example:
        name, i = self._members[index]
        image, labels = picture(SEEDS[name], i)
        return Example(image, labels, f"shapes {name} image {i}")

    def fetch(self, indices: Indices) -> list[Example]:
        return [self[int(i)] for i in indices]


@functools.lru_cache(maxsize=sum(SIZES.values()))
def picture(seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """(image uint8 [64, 64, 3], classes uint8 [64, 64]) of one picture."""
    rng = np.random.Generator(np.random.Philox(key=[seed, index]))
    labels = np.zeros((SIDE, SIDE), np.uint8)
    image = np.empty((SIDE, SIDE, 3))
    image[:] = rng.uniform(40, 215) + rng.normal(0, 15, 3)
    for _ in range(rng.integers(1, 5)):
        kind = int(rng.integers(1, 4))
        inside = _INSIDE[kind](*_own_axes(rng))
        labels[inside] = kind
        image[inside] = COLOURS[kind] + rng.normal(0, 35, 3)
    image += rng.normal(0, 12, image.shape)
    image, labels = np.clip(np.round(image), 0, 255).astype(np.uint8), labels
    for array in (image, labels):
        array.setflags(write=False)
    return image, labels


def _own_axes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [64, 64] of the pixels in a shape's own turned frame, in units of its radius."""
    x0, y0 = rng.uniform(6, SIDE - 6, 2)
    radius, angle = rng.uniform(7, 18), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    x, y = (x - x0) / radius, (y - y0) / radius
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _circle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x**2 + y**2 < 0.8


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) < 0.8


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Equilateral; its three sides are 0.6 from the middle."""
    slanted = np.abs(x) * np.sqrt(3) / 2 + y / 2
    return np.maximum(slanted, -y) < 0.6


_INSIDE = {1: _circle, 2: _square, 3: _triangle}
