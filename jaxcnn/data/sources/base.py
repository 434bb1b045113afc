"""What a source of images is: a sequence of encoded examples, and how splits of it are written."""

import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from jaxcnn.errors import DataError


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


_SLICE = re.compile(r"([\w-]+)(?:\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?")


def split_indices(split: str, sizes: dict[str, int], where: str) -> list[tuple[str, range]]:
    """[(base split, indices)] of a split expression such as "train[10%:]+val"; raises DataError for what does not exist or is empty."""
    parts = []
    for text in split.split("+"):
        match = _SLICE.fullmatch(text.strip())
        if not match:
            raise DataError(
                f'split "{split}" does not read as NAME or NAME[from:to]; write it like train, train[:100] or train[10%:]'
            )
        name, low, high = match.groups()
        if name not in sizes:
            raise DataError(f'{where} has no split "{name}"; it has {", ".join(sizes) or "none"}')
        parts.append(
            (
                name,
                range(
                    *slice(_bound(low, sizes[name]), _bound(high, sizes[name])).indices(sizes[name])
                ),
            )
        )
    if not any(len(indices) for _, indices in parts):
        raise DataError(
            f'split "{split}" of {where} is empty; it has {", ".join(f"{k}: {v}" for k, v in sizes.items())} examples'
        )
    return parts


def _bound(text: str | None, size: int) -> int | None:
    if text is None:
        return None
    return round(int(text[:-1]) * size / 100) if text.endswith("%") else int(text)
