"""Single images: what a trained network sees in files that belong to no dataset."""

import pathlib
from collections.abc import Sequence
from typing import Any

from jaxcnn.checkpoint.variables import check_classifies
from jaxcnn.config.schema import Data
from jaxcnn.data.images.inputs import read_file
from jaxcnn.data.sources.base import Example, Indices
from jaxcnn.errors import DataError
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.scoring import predict
from jaxcnn.evaluate.trained import load_trained

UNKNOWN = -1  # the label of an image whose class nobody told


class Files:
    """Image files as a split.

    The label of a file is that of its folder's name in `labels`, else UNKNOWN.
    """

    name, split = "files", "given"
    image_shape: tuple[int, int, int] | None = None
    upright = True  # a photograph is turned as EXIF says
    maps = False  # the label is a class of the whole image

    def __init__(
        self, paths: Sequence[str | pathlib.Path], class_names: list[str], labels: dict[str, int]
    ):
        self._paths = [pathlib.Path(path) for path in paths]
        self.class_names, self._labels = class_names, labels
        self.splits = {self.split: len(self._paths)}
        self.identity = " ".join(map(str, self._paths))

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Example:
        path = self._paths[index]
        label = self._labels.get(path.absolute().parent.name, UNKNOWN)
        return Example(read_file(path), label, str(path))

    def fetch(self, indices: Indices) -> list[Example]:
        """Several files at once."""
        return [self[int(i)] for i in indices]


def classify(
    workdir: str | pathlib.Path,
    paths: Sequence[str | pathlib.Path],
    *,
    protocol: str = "center",
    best: bool = False,
    batch_size: int = 64,
    devices: Sequence[Any] | None = None,
) -> Predictions:
    """What a run's newest checkpoint (or its `best`), or imported weights, see in image files.

    The labels are UNKNOWN but for files in a folder named after their class. Raises
    CheckpointError, ConfigError or DataError with one sentence.
    """
    if not paths:
        raise DataError("no image was given; give the paths of JPEG, PNG or WebP files")
    trained = load_trained(workdir, best)
    check_classifies(trained.model)
    labels = {name: k for names in trained.class_lists for k, name in enumerate(names)}
    return predict(
        trained.model,
        trained.variables,
        preprocess=trained.preprocess,
        protocol=trained.protocol(protocol),
        source=Files(paths, trained.class_names, labels),
        data=Data(name="files"),
        batch_size=batch_size,
        devices=devices,
    )
