"""Single images: what a trained network sees in files that belong to no dataset."""

import pathlib
from collections.abc import Sequence
from typing import Any

from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources.base import Example, Indices
from jaxcnn.errors import DataError
from jaxcnn.evaluate import scoring
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.protocols import make_protocol, trained_scales

UNKNOWN = -1  # the label of an image whose class nobody told


class Files:
    """Image files as a split; the label of one is its folder's name where that is a class, else UNKNOWN."""

    name, split = "files", "given"
    image_shape: tuple[int, int, int] | None = None
    upright = True  # a photograph is turned as EXIF says

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
        try:
            image = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path} cannot be read: {error.strerror}; give the path of a JPEG, PNG or WebP file"
            ) from None
        return Example(image, self._labels.get(path.absolute().parent.name, UNKNOWN), str(path))

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
) -> Predictions:
    """Predictions of a run's newest checkpoint (or its `best`), or of imported weights, for image files; labels may be UNKNOWN.

    Raises CheckpointError, ConfigError or DataError with one sentence.
    """
    if not paths:
        raise DataError("no image was given; give the paths of JPEG, PNG or WebP files")
    variables, metadata = variables_lib.load_variables(workdir, best)
    model: Any = variables_lib.model_of(metadata)
    preprocess = Preprocess.from_dict(metadata["preprocessing"])
    lists = [metadata[name] for name in ("class_names", "synsets") if metadata.get(name)]
    names = lists[0] if lists else [str(i) for i in range(model.num_classes)]
    source = Files(paths, names, {name: k for known in lists for k, name in enumerate(known)})
    chosen = make_protocol(protocol, preprocess, trained_scales(metadata))
    return scoring.predict(
        model, variables, preprocess, chosen, source, Data(name="files"), batch_size=batch_size
    )
