"""Pictures of a run: its learning curves, and its confusion matrix."""

import math
import pathlib
from typing import Any

import numpy as np

from jaxcnn.draw.curves import Curve, curve_of
from jaxcnn.draw.figure import available, literal, save
from jaxcnn.metrics import per_class_accuracy
from jaxcnn.run.logs import read_metrics

CELLS = 200  # rows and columns of a confusion matrix that can be told apart
NAMED = 20  # classes up to which a confusion matrix has names and counts
FEW = 40  # points of a curve up to which each one gets a marker
DECADE = 3.0  # factor between largest and smallest value from which an axis is logarithmic


def of_run(workdir: pathlib.Path, confusion: np.ndarray, class_names: list[str]) -> list[str]:
    """Draws what a finished run has to show into `workdir`, and returns the paths.

    Without matplotlib there are none, and a hint is logged.
    """
    if not available():
        return []
    return [
        str(learning_curves(workdir)),
        str(confusion_matrix(workdir / "confusion.png", confusion, class_names)),
    ]


def learning_curves(workdir: pathlib.Path) -> pathlib.Path:
    """Loss and top-1 error against epochs, training and test, from metrics.jsonl: curves.png."""
    from matplotlib.figure import Figure

    rows = read_metrics(workdir)
    losses = {
        "training": curve_of(rows, "train_loss", spans=True),
        "test": curve_of(rows, "eval_loss"),
    }
    errors = {
        "training": curve_of(rows, "train_top1", spans=True).error(),
        "test": curve_of(rows, "eval_top1").error(),
    }
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_curves(left, losses)
    left.set(xlabel="epoch", ylabel="loss", title="loss")
    _draw_curves(right, errors)
    right.set(xlabel="epoch", ylabel="top-1 error, %", title="top-1 error")
    return save(figure, workdir / "curves.png")


def _draw_curves(axes: Any, curves: dict[str, Curve]) -> None:
    """Curves by name, on a logarithmic axis with plain numbers where their values differ much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    colours = {"training": "tab:blue", "test": "tab:orange"}
    for name, curve in curves.items():
        style = {"color": colours[name], "markersize": 4}
        style["marker"] = "o" if len(curve.epochs) <= FEW else ""
        axes.plot(curve.epochs, curve.values, label=name, **style)
    drawn = np.concatenate([curve.values for curve in curves.values()])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) and 0 < drawn.min() * DECADE < drawn.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(left=0)
    axes.grid(True, which="both", alpha=0.25)
    axes.legend()


def confusion_matrix(
    path: pathlib.Path, confusion: np.ndarray, class_names: list[str]
) -> pathlib.Path:
    """Share of each true class (row) that was given each class (column), of counts [K, K].

    Of at most NAMED classes the counts are written in. More than CELLS classes are drawn in blocks
    of neighbours, which in ImageNet's order are relatives.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    classes = len(class_names)
    block = math.ceil(classes / CELLS)
    starts = np.arange(0, classes, block)
    cells = np.add.reduceat(np.add.reduceat(confusion, starts, axis=0), starts, axis=1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6) if classes <= NAMED else (8, 7), layout="constrained")
    axes = figure.subplots()
    last = len(starts) * block - 0.5
    # among many classes a confusion is rare: small shares must show
    scale = PowerNorm(0.4 if block > 1 else 1, vmin=0, vmax=1)
    image = axes.imshow(shares, cmap="Blues", norm=scale, extent=(-0.5, last, last, -0.5))
    figure.colorbar(image, ax=axes, label="share of the true class")
    blocks = f", in blocks of {block}" if block > 1 else ""
    mean = np.nanmean(per_class_accuracy(confusion))
    axes.set(
        xlabel=f"predicted class{blocks}",
        ylabel=f"true class{blocks}",
        title=f"{int(np.trace(confusion)):,} of {int(confusion.sum()):,} right; "
        f"mean of classes {mean:.2%}",
    )
    if classes <= NAMED:
        _write_counts(axes, confusion, shares, class_names)
    return save(figure, path)


def _write_counts(
    axes: Any, confusion: np.ndarray, shares: np.ndarray, class_names: list[str]
) -> None:
    """Names along both axes, and the count in every cell that is not empty."""
    names = [literal(name) for name in class_names]
    rotation = 90 if max(map(len, class_names)) > 2 else 0
    axes.set_xticks(range(len(names)), names, rotation=rotation)
    axes.set_yticks(range(len(names)), names)
    for row, column in np.argwhere(confusion > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = str(confusion[row, column])
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
