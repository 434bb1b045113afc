"""What is made of an evaluation: text, JSON, pictures, and a row in a table of results."""

import dataclasses
import datetime
import json
import math
import pathlib
from typing import Any

import numpy as np

from jaxcnn.data.images.views import eval_view
from jaxcnn.draw.contact_sheet import captioned_sheet
from jaxcnn.draw.figure import available
from jaxcnn.draw.plots import confusion_matrix
from jaxcnn.draw.predictions import reliability
from jaxcnn.errors import DataError
from jaxcnn.evaluate.evaluation import Evaluation
from jaxcnn.evaluate.numbers import mistakes
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.weights.labels import readable

LISTED = 100  # classes up to which the text lists all of them
WORST = 10  # classes that it lists where there are more
OBJECTS = ("confusion", "calibration", "predictions")  # fields that are no plain values
COLUMNS = (
    "date", "model", "dataset", "split", "protocol", "views", "top-1 error, %", "top-5 error, %",
    "images", "ECE, %",
)  # fmt: skip
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


def draw(folder: str | pathlib.Path, result: Evaluation) -> list[pathlib.Path]:
    """Draws confusion.png, reliability.png and mistakes.png into `folder`; returns the paths.

    The first two need matplotlib, the last needs the images. Raises DataError where the folder
    cannot be written to.
    """
    folder = pathlib.Path(folder)
    names = readable(result.predictions.class_names)
    drawn: list[pathlib.Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if available():
            drawn.append(confusion_matrix(folder / "confusion.png", result.confusion, names))
            drawn.append(reliability(folder / "reliability.png", result.calibration))
    except OSError as error:
        raise DataError(
            f"the pictures cannot be written to {folder}: {error.strerror or error}"
        ) from None
    images, captions = tiles(result.predictions, names)
    if images:
        drawn.append(captioned_sheet(images, captions, folder / "mistakes.png", tile=160))
    return drawn


def tiles(
    predictions: Predictions, names: list[str]
) -> tuple[list[np.ndarray], list[tuple[str, str]]]:
    """The most confident mistakes: (images uint8 [S, S, C], their captions of two lines)."""
    source, preprocess = predictions.source, predictions.preprocess
    if source is None or preprocess is None:
        return [], []
    images, captions = [], []
    for mistake in mistakes(predictions):
        example = source[int(predictions.records[mistake.row])]
        images.append(eval_view(example.image, preprocess, example.key, upright=source.upright))
        predicted = f"predicted {names[mistake.predicted].split(',')[0]}"
        captions.append(
            (f"{predicted} ({100 * mistake.probability:.1f} %)", f"true {names[mistake.label]}")
        )
    return images, captions


def append_row(path: str | pathlib.Path, result: Evaluation) -> pathlib.Path:
    """Adds the result to the Markdown table `path`, which begins with HEADER where it is new.

    Raises DataError where it cannot be written.
    """
    path = pathlib.Path(path)
    described = result.model, result.dataset, result.split, result.protocol, result.views
    cells = [
        datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
        *(str(value).replace("|", "/") for value in described),
        f"{100 * result.top1_error:.2f}",
        f"{100 * result.top5_error:.2f}",
        f"{result.count:.0f}",
        f"{100 * result.ece:.2f}",
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.is_file() else ""
        start = "\n" if before and not before.endswith("\n") else ""
        known = HEADER.splitlines()[0] in before
        with path.open("a") as file:
            file.write(start + ("" if known else HEADER) + f"| {' | '.join(cells)} |\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the table {path} cannot be written: {getattr(error, 'strerror', None) or error}"
        ) from None
    return path


def as_json(result: Evaluation) -> str:
    """The result on one line, without matrices.

    What is not a number, such as the accuracy of a class without images, is null.
    """
    fields = [field.name for field in dataclasses.fields(result) if field.name not in OBJECTS]
    shown = (*fields, "top1_error", "top5_error", "ece")
    plain = {name: _finite(getattr(result, name)) for name in shown}
    accuracy = result.per_class_accuracy.items()
    plain["per_class_accuracy"] = {name: _finite(value) for name, value in accuracy}
    return json.dumps(plain)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(result: Evaluation) -> str:
    """The result for reading: totals, then the accuracy of every class, or of the ten worst."""
    step = "" if result.step is None else f" (step {result.step})"
    corrupt = f", {result.corrupt} corrupt ones left out" if result.corrupt else ""
    views = "1 view" if result.views == 1 else f"{result.views} views"
    lines = [
        f"{result.model} on {result.dataset} {result.split}: top-1 {result.top1:.2%}, "
        f"top-5 {result.top5:.2%}, loss {result.loss:.4f}, {result.count:,.0f} images"
        f"{corrupt}{step}",
        f"error {100 * result.top1_error:.2f} / {100 * result.top5_error:.2f} %, "
        f"calibration error {100 * result.ece:.2f} %, protocol {result.protocol}, "
        f"{views} an image",
    ]
    names = readable(list(result.per_class_accuracy))
    classes = list(zip(names, result.per_class_accuracy.values(), strict=True))
    if len(classes) > LISTED:
        with_images = [(name, share) for name, share in classes if not math.isnan(share)]
        classes = sorted(with_images, key=lambda pair: pair[1])[:WORST]
        lines.append(f"the {WORST} worst classes:")
    lines += [f"  {name.split(',')[0]:<24} {share:7.2%}" for name, share in classes]
    return "\n".join(lines)
