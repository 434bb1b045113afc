"""What is made of an evaluation: the numbers, the most confident mistakes, pictures, and a row in a table of results."""

import datetime
import json
import math
import pathlib
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn import metrics, plots
from jaxcnn.data import DataError
from jaxcnn.data.contact_sheet import captioned_sheet
from jaxcnn.data.views import eval_view
from jaxcnn.predictions import TINY, Predictions
from jaxcnn.weights import labels as imagenet

ROWS = 4096  # rows of the table that go to the device at a time
SHOWN = 36  # mistakes on the contact sheet
LISTED = 100  # classes up to which the text lists all of them
OBJECTS = ("confusion", "calibration", "predictions")  # entries of a result that are no plain values

HEADER = (
    "| date | model | dataset | split | protocol | views | top-1 error, % | top-5 error, % | images | ECE, % |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def numbers(predictions: Predictions) -> dict[str, Any]:
    """{top1, top5, top1_error, top5_error, loss, count, corrupt, ece, per_class_accuracy, confusion, calibration} over all rows.

    Shares lie in [0, 1]; `loss` is the cross-entropy of the averaged probabilities in nats.
    """
    total = None
    for start in range(0, len(predictions.labels), ROWS):
        scores, labels = (jnp.asarray(x[start : start + ROWS]) for x in (predictions.log_probabilities, predictions.labels))
        losses = -jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]  # [R]
        mask = jnp.ones(len(labels), jnp.float32)
        sums = metrics.classification_sums(scores, labels, losses, mask) | {"confusion": metrics.confusion_counts(scores, labels, mask)}
        total = metrics.add(total, {name: np.asarray(value) for name, value in sums.items()})
    assert total is not None
    means, confusion = metrics.summarize(total), total["confusion"]
    confidence = np.nan_to_num(np.exp(predictions.log_probabilities.max(axis=1)), nan=TINY)
    calibration = metrics.calibration(confidence, predictions.log_probabilities.argmax(axis=1) == predictions.labels)
    accuracy = metrics.per_class_accuracy(confusion).tolist()
    return means | {
        "top1_error": 1 - means["top1"],
        "top5_error": 1 - means["top5"],
        "corrupt": predictions.corrupt,
        "ece": calibration.error,
        "per_class_accuracy": dict(zip(predictions.class_names, accuracy, strict=True)),
        "confusion": confusion,
        "calibration": calibration,
    }


class Mistake(NamedTuple):
    """A row of the predictions whose most probable class is not its label."""

    row: int
    label: int
    predicted: int
    probability: float


def mistakes(predictions: Predictions, most: int = SHOWN) -> list[Mistake]:
    """The wrong rows, the most confident first."""
    predicted = predictions.log_probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != predictions.labels)
    sure = np.nan_to_num(np.exp(predictions.log_probabilities[wrong, predicted[wrong]]))
    order = np.argsort(-sure, kind="stable")[:most]
    return [Mistake(int(wrong[i]), int(predictions.labels[wrong[i]]), int(predicted[wrong[i]]), float(sure[i])) for i in order]


def readable(class_names: list[str]) -> list[str]:
    """English names where the classes are ImageNet's synsets, else the names themselves."""
    if len(class_names) == 1000 and class_names[0] == imagenet.ANCHORS[0] and tuple(class_names) == imagenet.synsets():
        return list(imagenet.class_names())
    return class_names


def draw(folder: str | pathlib.Path, result: dict[str, Any]) -> list[pathlib.Path]:
    """Draws confusion.png, reliability.png and mistakes.png into `folder`; the first two need matplotlib, the last needs the images."""
    folder, predictions = pathlib.Path(folder), result["predictions"]
    names = readable(predictions.class_names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = []
        if plots.available():
            drawn.append(plots.confusion_matrix(folder / "confusion.png", result["confusion"], names))
            drawn.append(plots.reliability(folder / "reliability.png", result["calibration"]))
    except OSError as error:
        raise DataError(f"the pictures cannot be written to {folder}: {error.strerror or error}") from None
    wrong = mistakes(predictions)
    if predictions.source is None or not wrong:
        return drawn
    images, captions = [], []
    for mistake in wrong:
        example = predictions.source[int(predictions.records[mistake.row])]
        images.append(eval_view(example.image, predictions.preprocess, example.key))
        captions.append([f"true {names[mistake.label]}", f"{mistake.probability:.1%} {names[mistake.predicted]}"])
    return [*drawn, captioned_sheet(images, captions, folder / "mistakes.png", tile=160)]


def append_row(path: str | pathlib.Path, result: dict[str, Any]) -> pathlib.Path:
    """Adds the result to the Markdown table `path`, which begins with HEADER where it is new; raises DataError where it cannot."""
    path = pathlib.Path(path)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
    texts = [date, *(str(result[name]).replace("|", "/") for name in ("model", "dataset", "split", "protocol", "views"))]
    texts += [
        f"{100 * result['top1_error']:.2f}",
        f"{100 * result['top5_error']:.2f}",
        f"{result['count']:.0f}",
        f"{100 * result['ece']:.2f}",
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if path.is_file() else ""
        start = "\n" if before and not before.endswith("\n") else ""
        known = HEADER.splitlines()[0] in before
        with path.open("a") as file:
            file.write(start + ("" if known else HEADER) + f"| {' | '.join(texts)} |\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the table {path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    return path


def as_json(result: dict[str, Any]) -> str:
    """The result on one line, without matrices; what is not a number, as the accuracy of a class without images, is null."""
    plain = {name: _finite(value) for name, value in result.items() if name not in OBJECTS}
    plain["per_class_accuracy"] = {name: _finite(value) for name, value in result["per_class_accuracy"].items()}
    return json.dumps(plain)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_text(result: dict[str, Any]) -> str:
    """The result for reading: totals, then the accuracy of every class, or of the ten worst where there are many."""
    step = f" (step {result['step']})" if result["step"] is not None else ""
    corrupt = f", {result['corrupt']} corrupt ones left out" if result["corrupt"] else ""
    lines = [
        f"{result['model']} on {result['dataset']} {result['split']}: top-1 {result['top1']:.2%}, top-5 {result['top5']:.2%}, "
        f"loss {result['loss']:.4f}, {result['count']:,.0f} images{corrupt}{step}",
        f"error {100 * result['top1_error']:.2f} / {100 * result['top5_error']:.2f} %, calibration error {100 * result['ece']:.2f} %, "
        f"protocol {result['protocol']}, {result['views']} view{'' if result['views'] == 1 else 's'} an image",
    ]
    classes = list(zip(readable(list(result["per_class_accuracy"])), result["per_class_accuracy"].values(), strict=True))
    if len(classes) > LISTED:
        classes = sorted((c for c in classes if c[1] == c[1]), key=lambda c: c[1])[:10]
        lines.append("the ten worst classes:")
    return "\n".join([*lines, *(f"  {name.split(',')[0]:<24} {share:7.2%}" for name, share in classes)])
