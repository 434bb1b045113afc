"""What networks say of every image of a split, as a table: saved, loaded, averaged for an ensemble.

Averages are of probabilities. They are kept as logarithms, which do not underflow: the table is
float32 [N, K], 200 MB for ImageNet's validation set.
"""

import dataclasses
import os
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources.base import Source
from jaxcnn.errors import DataError, one_line
from jaxcnn.files import replacing

TINY = float(np.finfo(np.float32).tiny)  # what a probability of 0 in a file counts as


@dataclasses.dataclass(kw_only=True)
class Predictions:
    """The log-probabilities of images, corrupt ones left out, and what the images are."""

    log_probabilities: np.ndarray  # float32 [N, K]
    labels: np.ndarray  # int32 [N]
    keys: np.ndarray  # names of the records, [N]
    records: np.ndarray  # their places in the split, int32 [N]
    class_names: list[str]  # [K]
    dataset: str = ""
    split: str = ""
    corrupt: int = 0  # records left out
    shapes: int = 0  # programs that were compiled, one for each shape of view
    # What shows an image again; None where the predictions come from a file.
    source: Source | None = None
    preprocess: Preprocess | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """float32 [N, K]; rows add up to 1."""
        return np.exp(self.log_probabilities)

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes the table and what its rows are as one .npz.

        Raises DataError for another name, WriteError where the disk fails.
        """
        path = check_writable(path)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(
                file,
                probabilities=self.probabilities,
                labels=self.labels,
                keys=self.keys.astype(np.str_),
                records=self.records,
                class_names=np.asarray(self.class_names, np.str_),
                dataset=np.str_(self.dataset),
                split=np.str_(self.split),
            )
        return path

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Predictions":
        """What `save` wrote; of another program probabilities [N, K], labels and keys [N] suffice.

        Raises DataError with one sentence for anything else.
        """
        path = _npz(path)
        stored = _arrays(path)
        probabilities, labels, keys = _checked_table(path, stored)
        count, classes = probabilities.shape
        names = stored.get("class_names", np.arange(classes).astype(np.str_))
        records = stored.get("records", np.arange(count))
        if (
            names.shape != (classes,)
            or len(set(names.tolist())) != classes
            or records.shape != (count,)
        ):
            raise DataError(
                f"{path} holds {names.size} class names and {records.size} records for a table of "
                f"{probabilities.shape}; leave them out"
            )
        return cls(
            log_probabilities=np.log(np.maximum(probabilities, TINY)).astype(np.float32),
            labels=labels.astype(np.int32),
            keys=keys.astype(np.str_),  # another program may number its records
            records=records,
            class_names=[str(name) for name in names],
            dataset=str(stored.get("dataset", "")),
            split=str(stored.get("split", "")),
        )


def _arrays(path: pathlib.Path) -> dict[str, Any]:
    """The arrays of an .npz file, none of which may be a Python object."""
    try:
        # NumPy would leave its own handle of a broken file open
        with path.open("rb") as file, np.load(file) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise DataError(
            f"there is no file {path}; jaxcnn evaluate --predictions writes such files"
        ) from None
    except (
        AttributeError,  # one array and no archive
        OSError,
        ValueError,
        EOFError,
        TypeError,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(f"{path} cannot be read as predictions: {one_line(error, 150)}") from None


def _checked_table(path: pathlib.Path, stored: dict[str, Any]) -> tuple[np.ndarray, ...]:
    """(probabilities [N, K], labels [N], keys [N]) of a file; raises DataError for others."""
    missing = [name for name in ("probabilities", "labels", "keys") if name not in stored]
    if missing:
        raise DataError(
            f"{path} holds {', '.join(stored) or 'nothing'}; {missing[0]!r} is missing of "
            "probabilities, labels and keys"
        )
    probabilities, labels, keys = stored["probabilities"], stored["labels"], stored["keys"]
    rows = probabilities.shape[:1]
    if (
        probabilities.ndim != 2
        or not len(probabilities)
        or labels.shape != rows
        or keys.shape != rows
    ):
        shapes = probabilities.shape, labels.shape, keys.shape
        raise DataError(
            f"{path} holds probabilities, labels and keys of shapes {shapes}; expected [N, K], [N] "
            "and [N]"
        )
    if probabilities.dtype.kind == "f":  # half precision would lose small ones in the sum
        probabilities = probabilities.astype(np.float32)
    numeric = probabilities.dtype.kind in "fiu"
    if (
        not numeric
        or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
        or probabilities.min() < 0
    ):
        raise DataError(
            f"{path} holds rows that are no probabilities: they must not be negative and add up "
            "to 1"
        )
    classes = probabilities.shape[1]
    if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(
            f"{path} holds labels of type {labels.dtype}; expected whole numbers from 0 to "
            f"{classes - 1}"
        )
    return probabilities, labels, keys


def check_writable(path: str | pathlib.Path) -> pathlib.Path:
    """The path, if predictions can be saved there; raises DataError otherwise."""
    path = _npz(path)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise DataError(
            f"the predictions cannot be written to {path}: {path.parent.absolute()} is not a "
            "folder that can be written to"
        )
    return path


def _npz(path: str | pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise DataError(
            f"{path} does not end in .npz, by which files of predictions are told from workdirs; "
            "rename it"
        )
    return path


def average(members: Sequence[tuple[str, Predictions]]) -> Predictions:
    """The mean of the members' probabilities; `members` are (name, predictions).

    Raises DataError unless all have the same records and labels in the same order.
    """
    first_name, first = members[0]
    for name, other in members[1:]:
        _check_same(first_name, first, name, other)
    total = first.log_probabilities
    for _, other in members[1:]:
        total = np.logaddexp(total, other.log_probabilities)
    with_images = [p for _, p in members if p.source is not None]
    shown = with_images[0] if with_images else first
    return dataclasses.replace(
        shown,
        log_probabilities=total - np.float32(np.log(len(members))),
        corrupt=max(p.corrupt for _, p in members),
        shapes=sum(p.shapes for _, p in members),
    )


def _check_same(first_name: str, first: Predictions, name: str, other: Predictions) -> None:
    """Raises DataError with the first difference in records, labels or classes."""
    for what, a, b in (
        ("records", first.keys, other.keys),
        ("labels", first.labels, other.labels),
    ):
        if len(a) != len(b):
            raise DataError(
                f"{name} has {len(b)} {what} and {first_name} has {len(a)}; an ensemble needs the "
                "same ones in the same order"
            )
        different = np.flatnonzero(np.asarray(a) != np.asarray(b))
        if len(different):
            at = int(different[0])
            raise DataError(
                f"{what[:-1]} {at} is {b[at]!s} in {name} and {a[at]!s} in {first_name}; an "
                "ensemble needs the same order"
            )
    theirs, ours = other.log_probabilities.shape[1], first.log_probabilities.shape[1]
    if theirs != ours:
        raise DataError(
            f"{name} tells {theirs} classes apart and {first_name} {ours}; an ensemble needs the "
            "same classes"
        )
