"""What networks say of every image of a split, as a table: saved, loaded, averaged over the members of an ensemble.

Averages are of probabilities. They are kept as logarithms, which do not underflow: the table is float32 [N, K], 200 MB for ImageNet's
validation set.
"""

import dataclasses
import os
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources.base import Source
from jaxcnn.errors import DataError

TINY = float(np.finfo(np.float32).tiny)  # what a probability of 0 in a file counts as


@dataclasses.dataclass
class Predictions:
    """Log-probabilities float32 [N, K], labels int32 [N], record keys [N] and places in the split [N], corrupt records left out."""

    log_probabilities: np.ndarray
    labels: np.ndarray
    keys: np.ndarray
    records: np.ndarray
    class_names: list[str]
    dataset: str = ""
    split: str = ""
    corrupt: int = 0
    shapes: int = 0  # programs that were compiled, one for each shape of view
    source: Source | None = (
        None  # and the preprocessing: what shows an image again; None where the predictions come from a file
    )
    preprocess: Preprocess | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """float32 [N, K]; rows add up to 1."""
        return np.exp(self.log_probabilities)

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes the table and what its rows are as one .npz; raises DataError where that is impossible."""
        path = check_writable(path)
        partial = path.with_name(f"{path.name}.partial")
        try:
            with partial.open("wb") as file:
                np.savez(
                    file, probabilities=self.probabilities, labels=self.labels, keys=self.keys.astype(np.str_),
                    records=self.records, class_names=np.asarray(self.class_names, np.str_),
                    dataset=np.str_(self.dataset), split=np.str_(self.split),
                )  # fmt: skip
            partial.replace(path)
        except OSError as error:
            raise DataError(
                f"the predictions cannot be written to {path}: {error.strerror or error}"
            ) from None
        return path

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Predictions":
        """What `save` wrote, or another program: probabilities [N, K], labels [N] and keys [N] are enough. Raises DataError otherwise."""
        path = _npz(path)
        try:
            with (
                path.open("rb") as file,
                np.load(file) as stored,
            ):  # of a broken file NumPy would leave its own handle open
                found = {name: stored[name] for name in stored.files}
            probabilities, labels, keys = (
                found[name] for name in ("probabilities", "labels", "keys")
            )
        except FileNotFoundError:
            raise DataError(
                f"there is no file {path}; scripts/evaluate.py --predictions writes such files"
            ) from None
        except KeyError as error:
            raise DataError(
                f"{path} holds {', '.join(found) or 'nothing'}; {error} is missing of probabilities, labels and keys"
            ) from None
        except (
            OSError,
            ValueError,
            EOFError,
            TypeError,
            zipfile.BadZipFile,
        ) as error:  # cut short, no archive, or Python objects in it
            raise DataError(
                f"{path} cannot be read as predictions: {' '.join(str(error).split())[:150]}"
            ) from None
        shapes = probabilities.shape, labels.shape, keys.shape
        if (
            probabilities.ndim != 2
            or not len(probabilities)
            or labels.shape != keys.shape
            or labels.shape != probabilities.shape[:1]
        ):
            raise DataError(
                f"{path} holds probabilities, labels and keys of shapes {shapes}; expected [N, K], [N] and [N]"
            )
        if probabilities.dtype.kind == "f":
            probabilities = probabilities.astype(
                np.float32
            )  # half precision would lose small ones in the sum and the logarithm
        if (
            probabilities.dtype.kind not in "fiu"
            or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
            or probabilities.min() < 0
        ):
            raise DataError(
                f"{path} holds rows that are no probabilities: they must not be negative and add up to 1"
            )
        if (
            labels.dtype.kind not in "iu"
            or not 0 <= labels.min() <= labels.max() < probabilities.shape[1]
        ):
            raise DataError(
                f"{path} holds labels of type {labels.dtype}; expected whole numbers from 0 to {probabilities.shape[1] - 1}"
            )
        names = found.get("class_names", np.arange(probabilities.shape[1]).astype(np.str_))
        records = found.get("records", np.arange(len(labels)))
        if (
            names.shape != probabilities.shape[1:]
            or len(set(names.tolist())) != len(names)
            or records.shape != labels.shape
        ):
            raise DataError(
                f"{path} holds {names.size} class names and {records.size} records for a table of {shapes[0]}; leave them out"
            )
        dataset, split = (str(found.get(name, "")) for name in ("dataset", "split"))
        keys = keys.astype(np.str_)  # another program may number its records
        return cls(
            _logarithm(probabilities),
            labels.astype(np.int32),
            keys,
            records,
            [str(name) for name in names],
            dataset,
            split,
        )


def check_writable(path: str | pathlib.Path) -> pathlib.Path:
    """The path, if predictions can be saved there; raises DataError otherwise."""
    path = _npz(path)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise DataError(
            f"the predictions cannot be written to {path}: {path.parent.absolute()} is not a folder that can be written to"
        )
    return path


def _npz(path: str | pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        raise DataError(
            f"{path} does not end in .npz, by which files of predictions are told from workdirs; rename it"
        )
    return path


def _logarithm(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, TINY)).astype(np.float32)


def average(members: Sequence[tuple[str, Predictions]]) -> Predictions:
    """The mean of the members' probabilities; raises DataError unless all name the same records and labels in the same order."""
    first_name, first = members[0]
    for name, other in members[1:]:
        for what, a, b in (
            ("records", first.keys, other.keys),
            ("labels", first.labels, other.labels),
        ):
            if len(a) != len(b):
                raise DataError(
                    f"{name} has {len(b)} {what} and {first_name} has {len(a)}; an ensemble needs the same ones in the same order"
                )
            if not np.array_equal(a, b):
                at = int(np.flatnonzero(np.asarray(a) != np.asarray(b))[0])
                raise DataError(
                    f"{what[:-1]} {at} is {b[at]!s} in {name} and {a[at]!s} in {first_name}; an ensemble needs the same order"
                )
        shapes = other.log_probabilities.shape[1], first.log_probabilities.shape[1]
        if shapes[0] != shapes[1]:
            raise DataError(
                f"{name} tells {shapes[0]} classes apart and {first_name} {shapes[1]}; an ensemble needs the same classes"
            )
    total = first.log_probabilities
    for _, other in members[1:]:
        total = np.logaddexp(total, other.log_probabilities)
    shown = next((p for _, p in members if p.source is not None), first)
    return dataclasses.replace(
        shown,
        log_probabilities=total - np.float32(np.log(len(members))),
        corrupt=max(p.corrupt for _, p in members),
        shapes=sum(p.shapes for _, p in members),
    )
