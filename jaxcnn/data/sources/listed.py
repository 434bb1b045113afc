"""A source made of a list: what a data source of one's own usually returns."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.sources.base import Example, Indices, own_split, split_indices
from jaxcnn.errors import DataError, UnreadableError, printable

Rows = Sequence[tuple[str | Path | np.ndarray, str]]


class Listed:
    """One split of images that are listed with their classes.

    Args:
      split: the split that was asked for; slices such as "train[:90%]" work.
      splits: {name: [(image, class name), ...]}; an image is the path of a JPEG, PNG or WebP file,
        or its pixels, uint8 [H, W, 1 or 3].
      root: the folder that paths are relative to.
      class_names: the classes in the order of the labels; by default those of all splits, by
        alphabet.
      name: what messages call the source.
      upright: whether photographs are turned as EXIF says.

    Raises DataError for a split that does not exist, and for a class that is not among the classes.
    """

    image_shape: tuple[int, int, int] | None = None
    maps = False  # a label is a class, not a map of classes

    def __init__(
        self,
        split: str,
        splits: Mapping[str, Rows],
        *,
        root: str | Path = "",
        class_names: Sequence[str] = (),
        name: str = "listed",
        upright: bool = True,
    ):
        self.name, self.upright, self._root = name, upright, Path(root)
        self.splits = {key: len(rows) for key, rows in splits.items()}
        self.split = own_split(split, self.splits)
        classes = {label for rows in splits.values() for _, label in rows}
        self.class_names = [printable(text) for text in class_names or sorted(classes)]
        parts = split_indices(self.split, self.splits, name)
        self._rows = [splits[key][i] for key, indices in parts for i in indices]
        self._labels = {text: k for k, text in enumerate(class_names or sorted(classes))}
        if unknown := sorted(classes - self._labels.keys()):
            raise DataError(
                f"{name} has images of the class {unknown[0]!r}, which is not among its "
                f"class_names {', '.join(self.class_names[:5])}"
            )
        self.identity = f"{name} {self._root} {self.split} {_digest(self._rows)}"

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Example:
        image, label = self._rows[index]
        if isinstance(image, np.ndarray):
            return Example(image, self._labels[label], f"{self.name} {self.split} image {index}")
        path = self._root / image
        try:
            return Example(path.read_bytes(), self._labels[label], printable(str(path)))
        except OSError as error:
            raise UnreadableError(
                f"{path}, which {self.name} lists, cannot be read: {error.strerror}; restore the "
                "file or take it from the list"
            ) from None

    def fetch(self, indices: Indices) -> list[Example]:
        """Several images at once."""
        return [self[int(i)] for i in indices]


def _digest(rows: Rows) -> str:
    """The same text for the same images and classes, in every process."""
    found = hashlib.blake2b(digest_size=16)
    for image, label in rows:
        what = image.tobytes() if isinstance(image, np.ndarray) else str(image).encode()
        found.update(what + b"\0" + str(label).encode() + b"\n")
    return found.hexdigest()
