"""Where images come from: the embedded digits, a folder of classes, or a TFDS dataset. Each is a sequence of encoded examples."""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxcnn.config import Data
from jaxcnn.data.errors import DataError


class Example(NamedTuple):
    """One record: an encoded image (or a decoded one, uint8 [H, W, C]), its label, and the name by which errors call it."""

    image: bytes | np.ndarray
    label: int
    key: str


Indices = Sequence[int] | np.ndarray


class Source(Protocol):
    """One split of a dataset, in a fixed order."""

    name: str
    split: str
    splits: dict[str, int]  # {split: examples}
    class_names: list[str]
    image_shape: tuple[int, int, int] | None  # where all images have the same
    identity: str  # the same text means the same examples in the same order

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...

    def fetch(self, indices: Indices) -> list[Example]:
        """Several records at once, cheaper than one by one."""
        ...


def open_source(data: Data, split: str) -> Source:
    """The examples of `split`, which may be sliced as TFDS does it ("train[:45000]", "train[10%:]"); raises DataError if it is not there."""
    if data.name == "digits":
        return Digits(split)
    if data.name == "folder":
        from jaxcnn.data.folder import Folder

        return Folder(data.data_dir, split)
    from jaxcnn.data.tfds_source import open_tfds

    return open_tfds(data.name, data.data_dir, split)


def default_eval_split(source: Source) -> str:
    """ "test", else "validation", else "val", whichever the dataset has; raises DataError if it has none of them."""
    for name in ("test", "validation", "val"):
        if name in source.splits:
            return name
    raise DataError(
        f"{source.name} has no test, validation or val split, only {', '.join(source.splits)}; "
        'set data.eval_split, for example to "train[90%:]" with data.train_split="train[:90%]"'
    )


_SLICE = re.compile(r"([\w-]+)(?:\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?")


def split_indices(split: str, sizes: dict[str, int], where: str) -> list[tuple[str, range]]:
    """[(base split, indices)] of a split expression such as "train[10%:]+val"; raises DataError for what does not exist or is empty."""
    parts = []
    for text in split.split("+"):
        match = _SLICE.fullmatch(text.strip())
        if not match:
            raise DataError(f'split "{split}" does not read as NAME or NAME[from:to]; write it like train, train[:100] or train[10%:]')
        name, low, high = match.groups()
        if name not in sizes:
            raise DataError(f'{where} has no split "{name}"; it has {", ".join(sizes) or "none"}')
        parts.append((name, range(*slice(_bound(low, sizes[name]), _bound(high, sizes[name])).indices(sizes[name]))))
    if not any(len(indices) for _, indices in parts):
        raise DataError(f'split "{split}" of {where} is empty; it has {", ".join(f"{k}: {v}" for k, v in sizes.items())} examples')
    return parts


def _bound(text: str | None, size: int) -> int | None:
    if text is None:
        return None
    return round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)


class Digits:
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels; of each digit every fifth image is for testing: 1,442 train, 355 test."""

    name = "digits"
    image_shape: tuple[int, int, int] | None = (8, 8, 1)
    class_names = [str(d) for d in range(10)]

    def __init__(self, split: str):
        images, labels = _digits()
        rank = np.array([np.count_nonzero(labels[:i] == label) for i, label in enumerate(labels)])  # among the images of its digit
        test = rank % 5 == 4
        members = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
        self.split, self.splits = split, {k: len(v) for k, v in members.items()}
        parts = split_indices(split, self.splits, "digits")
        self._members = np.concatenate([members[name][indices.start : indices.stop] for name, indices in parts])
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
    images = np.round(raw.images * (255 / 16)).astype(np.uint8)[..., None]  # [1797, 8, 8, 1], 0..16 -> 0..255
    return images, raw.target.astype(np.int32)
