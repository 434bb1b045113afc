"""The handwritten digits that come with scikit-learn."""

import functools
from typing import Any

import numpy as np

from jaxcnn.data.sources.base import Example, Indices, split_indices


class Digits:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels: 1,442 to train, 355 to test.

    Of each digit every fifth image is for testing.
    """

    name = "digits"
    image_shape: tuple[int, int, int] | None = (8, 8, 1)
    class_names = [str(d) for d in range(10)]
    upright = True
    maps = False

    def __init__(self, split: str):
        images, labels = _digits()
        # The place of each image among those of its digit.
        rank = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])
        test = rank % 5 == 4
        members = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
        self.split, self.splits = split, {k: len(v) for k, v in members.items()}
        parts = split_indices(split, self.splits, "digits")
        self._members = np.concatenate(
            [members[name][indices.start : indices.stop] for name, indices in parts]
        )
        self._images, self._labels = images, labels
        self.identity = f"digits {split}"

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> Example:
        i = int(self._members[index])
        return Example(self._images[i], int(self._labels[i]), f"digits image {i}")

    def fetch(self, indices: Indices) -> list[Example]:
        return [self[int(i)] for i in indices]


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    raw: Any = load_digits()
    pixels = np.round(raw.images * (255 / 16)).astype(np.uint8)  # 0..16 -> 0..255
    return pixels[..., None], raw.target.astype(np.int32)  # [1797, 8, 8, 1], [1797]
