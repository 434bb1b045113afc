"""What a source of images is: a sequence of encoded examples, and how splits of it are written."""

import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from jaxcnn.errors import DataError


class Example(NamedTuple):
    """One record: its image, its label, and the name by which errors call it."""

    image: bytes | np.ndarray  # a JPEG, PNG or WebP file, or pixels uint8 [H, W, C]
    # A class, or where a source's `maps` is true one a pixel: a PNG, or uint8 [H, W].
    label: Any
    key: str


Indices = Sequence[int] | np.ndarray


class Source(Protocol):
    """One split of a dataset, in a fixed order."""

    name: str
    split: str  # as the source itself calls it
    splits: dict[str, int]  # {split: examples}
    class_names: list[str]
    image_shape: tuple[int, int, int] | None  # where all images have the same
    identity: str  # the same text means the same examples in the same order
    # Whether its images are turned as EXIF says: False where published figures are of images as
    # they are stored.
    upright: bool
    # Whether each label is a map of classes, one a pixel.
    maps: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...

    def fetch(self, indices: Indices) -> list[Example]:
        """Several records at once, cheaper than one by one."""
        ...


_SAME = {"validation": "val", "val": "validation"}  # two names for one and the same split
_SLICE = re.compile(r"([\w-]+)(?:\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?")


def split_names(split: str) -> list[str]:
    """The base splits of an expression: ["train", "val"] of "train[10%:]+val"."""
    return [part.split("[")[0].strip() for part in split.split("+")]


def own_split(split: str, splits: Collection[str]) -> str:
    """The expression with "validation" and "val" as a source with these `splits` calls them."""
    parts = []
    for part in split.split("+"):
        base, bracket, rest = part.strip().partition("[")
        other = _SAME.get(base.strip())
        if other in splits and base.strip() not in splits:
            base = other
        parts.append(f"{base}{bracket}{rest}")
    return "+".join(parts)


def missing_splits(split: str, splits: Collection[str]) -> list[str]:
    """The base splits of an expression that a source with these `splits` does not have."""
    return [name for name in split_names(own_split(split, splits)) if name not in splits]


def split_indices(split: str, sizes: dict[str, int], where: str) -> list[tuple[str, range]]:
    """[(base split, indices)] of a split expression such as "train[10%:]+val".

    Raises DataError for what does not read, does not exist or is empty.
    """
    parts = []
    for text in split.split("+"):
        match = _SLICE.fullmatch(text.strip())
        if not match:
            raise DataError(
                f'split "{split}" does not read as NAME or NAME[from:to]; '
                "write it like train, train[:100] or train[10%:]"
            )
        name, low, high = match.groups()
        if name not in sizes:
            raise DataError(
                f'{where} has no split "{name}"; it has {", ".join(sizes) or "none"}: '
                "set data.train_split or data.eval_split to what it has"
            )
        size = sizes[name]
        wanted = slice(_bound(low, size), _bound(high, size))
        parts.append((name, range(*wanted.indices(size))))
    if not any(len(indices) for _, indices in parts):
        has = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise DataError(f'split "{split}" of {where} is empty; it has {has} examples')
    return parts


def _bound(text: str | None, size: int) -> int | None:
    if text is None:
        return None
    return round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)
