"""What is made of an evaluation: the numbers, the most confident mistakes, pictures, and a row in a table of results."""

import datetime
import json
import math
import pathlib
from typing import Any

from jaxcnn.data.images.views import eval_view
from jaxcnn.draw import plots
from jaxcnn.draw.contact_sheet import captioned_sheet
from jaxcnn.errors import DataError
from jaxcnn.evaluate.numbers import mistakes
from jaxcnn.weights.labels import readable

LISTED = 100  # classes up to which the text lists all of them
OBJECTS = (
    "confusion",
    "calibration",
    "predictions",
)  # entries of a result that are no plain values

HEADER = (
    "| date | model | dataset | split | protocol | views | top-1 error, % | top-5 error, % | images | ECE, % |\n"
    "|---|---|---|---|---|---|---|---|---|---|\n"
)


def draw(folder: str | pathlib.Path, result: dict[str, Any]) -> list[pathlib.Path]:
    """Draws confusion.png, reliability.png and mistakes.png into `folder`; the first two need matplotlib, the last needs the images."""
    folder, predictions = pathlib.Path(folder), result["predictions"]
    names = readable(predictions.class_names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = []
        if plots.available():
            drawn.append(
                plots.confusion_matrix(folder / "confusion.png", result["confusion"], names)
            )
            drawn.append(plots.reliability(folder / "reliability.png", result["calibration"]))
    except OSError as error:
        raise DataError(
            f"the pictures cannot be written to {folder}: {error.strerror or error}"
        ) from None
    wrong = mistakes(predictions)
    if predictions.source is None or not wrong:
        return drawn
    images, captions = [], []
    for mistake in wrong:
        source = predictions.source
        example = source[int(predictions.records[mistake.row])]
        images.append(
            eval_view(example.image, predictions.preprocess, example.key, upright=source.upright)
        )
        captions.append(
            [
                f"true {names[mistake.label]}",
                f"{mistake.probability:.1%} {names[mistake.predicted]}",
            ]
        )
    return [*drawn, captioned_sheet(images, captions, folder / "mistakes.png", tile=160)]


def append_row(path: str | pathlib.Path, result: dict[str, Any]) -> pathlib.Path:
    """Adds the result to the Markdown table `path`, which begins with HEADER where it is new; raises DataError where it cannot."""
    path = pathlib.Path(path)
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M")
    texts = [
        date,
        *(
            str(result[name]).replace("|", "/")
            for name in ("model", "dataset", "split", "protocol", "views")
        ),
    ]
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
        raise DataError(
            f"the table {path} cannot be written: {getattr(error, 'strerror', None) or error}"
        ) from None
    return path


def as_json(result: dict[str, Any]) -> str:
    """The result on one line, without matrices; what is not a number, as the accuracy of a class without images, is null."""
    plain = {name: _finite(value) for name, value in result.items() if name not in OBJECTS}
    plain["per_class_accuracy"] = {
        name: _finite(value) for name, value in result["per_class_accuracy"].items()
    }
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
    classes = list(
        zip(
            readable(list(result["per_class_accuracy"])),
            result["per_class_accuracy"].values(),
            strict=True,
        )
    )
    if len(classes) > LISTED:
        classes = sorted((c for c in classes if c[1] == c[1]), key=lambda c: c[1])[:10]
        lines.append("the ten worst classes:")
    return "\n".join(
        [*lines, *(f"  {name.split(',')[0]:<24} {share:7.2%}" for name, share in classes)]
    )
