"""Evaluation of segmentation networks: every pixel that is not void counts once.

Beside the whole image, the measures are taken within bands around the boundaries of the true
classes, where coarse and fine networks differ (trimaps; Kohli, Ladicky & Torr 2009, section 5).
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import flax.linen as nn
import jax
import numpy as np

from jaxcnn.data.images.maps import VOID
from jaxcnn.data.pipeline.read import read_in_order
from jaxcnn.data.pipeline.resident import as_evaluated
from jaxcnn.data.sources.base import Source
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import DataError
from jaxcnn.evaluate.evaluation import check_classes, settings_of
from jaxcnn.evaluate.trained import load_trained
from jaxcnn.metrics import Segmentation, segmentation

BANDS = (1, 2, 4)  # pixels at either side of a boundary
Tell = Callable[[int, int], None]  # (images done, images in all)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SegmentationResult:
    """What a network reached on a split; `bands` are {pixels: measures near boundaries}."""

    model: str
    dataset: str
    split: str
    step: int | None
    count: int  # images
    corrupt: int  # images that were left out
    confusion: np.ndarray  # of pixels, [K, K]; rows are the true classes
    class_names: list[str]
    bands: dict[int, Segmentation]

    @property
    def measures(self) -> Segmentation:
        """The four measures over all pixels."""
        return segmentation(self.confusion)


def evaluate_segmentation(
    workdir: str | pathlib.Path,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    best: bool = False,
    bands: Sequence[int] = BANDS,
    tell: Tell | None = None,
) -> SegmentationResult:
    """The measures of a run's newest checkpoint (or `best`) on a split, by default the run's own.

    Images are seen as training's evaluation sees them. Raises CheckpointError, ConfigError or
    DataError with one sentence.
    """
    trained = load_trained(workdir, best)
    config = settings_of(trained.metadata, dataset, data_dir, 0)
    data = config.data
    split = split or data.eval_split or default_eval_split(open_source(data, data.train_split))
    source = open_source(data, split)
    if not source.maps:
        raise DataError(
            f"{data.name} {split} has one label an image and not one a pixel; evaluate it with "
            f"jaxcnn evaluate --workdir {workdir}"
        )
    check_classes(trained.class_lists, source.class_names, f"{data.name} {split}")
    classes = len(source.class_names)
    totals = {band: np.zeros((classes, classes), np.int64) for band in (0, *bands)}
    seen = 0
    examples = _examples(data, source, trained.preprocess)
    while group := list(itertools.islice(examples, data.batch_size)):
        views, maps = (np.stack(arrays) for arrays in zip(*group, strict=True))
        inputs = trained.preprocess.normalise(views.astype(np.float32))  # [B, S, S, C]
        found = np.asarray(_classes(trained.model, trained.variables, inputs))  # [B, S, S]
        for truth, predicted in zip(maps, found, strict=True):
            for band, total in totals.items():
                total += confusion_of(truth, predicted, classes, band)
        seen += len(group)
        if tell:
            tell(seen, len(source))
    return SegmentationResult(
        model=trained.metadata["model"],
        dataset=data.name,
        split=split,
        step=trained.metadata.get("step"),
        count=seen,
        corrupt=len(source) - seen,
        confusion=totals.pop(0),
        class_names=source.class_names,
        bands={band: segmentation(total) for band, total in totals.items()},
    )


@functools.partial(jax.jit, static_argnums=0)
def _classes(model: nn.Module, variables: Any, images: jax.Array) -> jax.Array:
    scores: Any = model.apply(variables, images, train=False)  # [B, S, S, K]
    return scores.argmax(axis=-1)  # [B, S, S]


def _examples(data: Any, source: Source, preprocess: Any) -> Iterator[tuple[Any, Any]]:
    """(view uint8 [S, S, C], classes uint8 [S, S]) of each example that decodes."""
    records = range(len(source))
    for read in read_in_order(
        data, source, records, lambda example: as_evaluated(example, source, preprocess)
    ):
        if read.made is not None:
            yield read.made


def confusion_of(
    truth: np.ndarray, predicted: np.ndarray, classes: int, band: int = 0
) -> np.ndarray:
    """Counts of pixels [K, K], true classes in rows; with `band` only of those near boundaries."""
    counted = truth != VOID
    if band:
        counted &= near_boundaries(truth, band)
    cells = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)  # [K, K]


def near_boundaries(classes: np.ndarray, band: int) -> np.ndarray:
    """Pixels [H, W] at most `band` pixels, diagonals included, from one of another class.

    Void is no class: along it there is no boundary.
    """
    lowest = cv2.erode(classes, np.ones((2 * band + 1,) * 2, np.uint8))
    hidden = np.where(classes == VOID, 0, classes).astype(np.uint8)
    highest = cv2.dilate(hidden, np.ones((2 * band + 1,) * 2, np.uint8))
    return (classes != VOID) & ((lowest < classes) | (highest > classes))
