"""Pictures of a run, drawn with matplotlib where it is installed (extra `viz`): learning curves and the confusion matrix."""

import logging
import pathlib

import numpy as np

from jaxcnn import logs
from jaxcnn.metrics import per_class_accuracy

log = logging.getLogger("jaxcnn")


def of_run(workdir: pathlib.Path, confusion: np.ndarray, class_names: list[str]) -> list[str]:
    """Draws what a finished run has to show into `workdir`; the paths, or [] with a hint where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        log.warning("no pictures: matplotlib is not installed (pip install -e '.[viz]')")
        return []
    return [str(learning_curves(workdir)), str(confusion_matrix(workdir / "confusion.png", confusion, class_names))]


def _save(figure, path: pathlib.Path) -> pathlib.Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # a Figure of our own needs no pyplot, so no global state and no display
    figure.savefig(path, dpi=130)
    return path


def learning_curves(workdir: pathlib.Path) -> pathlib.Path:
    """Loss and top-1 error against epochs, training and test, from metrics.jsonl -> curves.png."""
    from matplotlib.figure import Figure

    rows = logs.read_metrics(workdir)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for split, colour, marker in (("train", "tab:blue", None), ("eval", "tab:orange", "o")):
        points = [row for row in rows if f"{split}_loss" in row and not row.get("final")]
        epochs = [row["epoch"] for row in points]
        label = "test" if split == "eval" else "training"
        left.plot(epochs, [row[f"{split}_loss"] for row in points], color=colour, marker=marker, markersize=3, label=label)
        errors = [100 * (1 - row[f"{split}_top1"]) for row in points]
        right.plot(epochs, np.maximum(errors, 1e-2), color=colour, marker=marker, markersize=3, label=label)
    left.set(xlabel="epoch", ylabel="loss", yscale="log", title="loss")
    right.set(xlabel="epoch", ylabel="top-1 error, %", yscale="log", title="top-1 error")
    for axes in (left, right):
        axes.grid(True, which="both", alpha=0.25)
        axes.legend()
    return _save(figure, workdir / "curves.png")


def confusion_matrix(path: pathlib.Path, confusion: np.ndarray, class_names: list[str]) -> pathlib.Path:
    """Share of each true class (row) that was given each class (column); counts are written in where there are at most 20 classes."""
    from matplotlib.figure import Figure

    classes = len(class_names)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6) if classes <= 20 else (8, 7), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class")
    axes.set(xlabel="predicted class", ylabel="true class")
    axes.set_title(
        f"{int(np.trace(confusion)):,} of {int(confusion.sum()):,} right; mean of classes {np.nanmean(per_class_accuracy(confusion)):.2%}"
    )
    if classes <= 20:
        rotation = 90 if max(map(len, class_names)) > 2 else 0
        axes.set_xticks(range(classes), class_names, rotation=rotation)
        axes.set_yticks(range(classes), class_names)
        for row, column in np.argwhere(confusion > 0):
            dark = shares[row, column] > 0.5
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", fontsize=8, color="white" if dark else "black")
    return _save(figure, path)
