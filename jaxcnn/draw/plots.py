"""Pictures of runs, evaluations and single predictions, drawn with matplotlib where it is installed (extra `viz`)."""

import logging
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from jaxcnn.metrics import Calibration, per_class_accuracy
from jaxcnn.run import logs

log = logging.getLogger("jaxcnn")


CELLS = 200  # rows and columns of a confusion matrix that can be told apart


def available() -> bool:
    """Whether matplotlib is installed; says how to install it where it is not."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        log.warning("no pictures: matplotlib is not installed (pip install -e '.[viz]')")
        return False
    return True


def of_run(workdir: pathlib.Path, confusion: np.ndarray, class_names: list[str]) -> list[str]:
    """Draws what a finished run has to show into `workdir`; the paths, or [] with a hint where matplotlib is missing."""
    if not available():
        return []
    return [
        str(learning_curves(workdir)),
        str(confusion_matrix(workdir / "confusion.png", confusion, class_names)),
    ]


def _save(figure, path: pathlib.Path) -> pathlib.Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(
        figure
    )  # a Figure of our own needs no pyplot, so no global state and no display
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
        left.plot(
            epochs,
            [row[f"{split}_loss"] for row in points],
            color=colour,
            marker=marker,
            markersize=3,
            label=label,
        )
        errors = [100 * (1 - row[f"{split}_top1"]) for row in points]
        right.plot(
            epochs, np.maximum(errors, 1e-2), color=colour, marker=marker, markersize=3, label=label
        )
    left.set(xlabel="epoch", ylabel="loss", yscale="log", title="loss")
    right.set(xlabel="epoch", ylabel="top-1 error, %", yscale="log", title="top-1 error")
    for axes in (left, right):
        axes.grid(True, which="both", alpha=0.25)
        axes.legend()
    return _save(figure, workdir / "curves.png")


def confusion_matrix(
    path: pathlib.Path, confusion: np.ndarray, class_names: list[str]
) -> pathlib.Path:
    """Share of each true class (row) that was given each class (column); counts are written in where there are at most 20 classes.

    More than CELLS classes are drawn in blocks of neighbours, which in ImageNet's order are relatives.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    classes = len(class_names)
    block = math.ceil(classes / CELLS)
    starts = np.arange(0, classes, block)
    cells = np.add.reduceat(np.add.reduceat(confusion, starts, axis=0), starts, axis=1)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.4, 5.6) if classes <= 20 else (8, 7), layout="constrained")
    axes = figure.subplots()
    last = len(starts) * block - 0.5
    scale = PowerNorm(
        0.4 if block > 1 else 1, vmin=0, vmax=1
    )  # among many classes a confusion is rare: small shares must show
    image = axes.imshow(shares, cmap="Blues", norm=scale, extent=(-0.5, last, last, -0.5))
    figure.colorbar(image, ax=axes, label="share of the true class")
    blocks = f", in blocks of {block}" if block > 1 else ""
    axes.set(xlabel=f"predicted class{blocks}", ylabel=f"true class{blocks}")
    axes.set_title(
        f"{int(np.trace(confusion)):,} of {int(confusion.sum()):,} right; mean of classes {np.nanmean(per_class_accuracy(confusion)):.2%}"
    )
    if classes <= 20:
        rotation = 90 if max(map(len, class_names)) > 2 else 0
        names = [_literal(name) for name in class_names]
        axes.set_xticks(range(classes), names, rotation=rotation)
        axes.set_yticks(range(classes), names)
        for row, column in np.argwhere(confusion > 0):
            dark = shares[row, column] > 0.5
            axes.text(
                column,
                row,
                str(confusion[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "black",
            )
    return _save(figure, path)


def reliability(path: pathlib.Path, found: Calibration) -> pathlib.Path:
    """Share right against confidence, bin by bin, above the share of the images in each bin (arXiv:1706.04599, figure 1)."""
    from matplotlib.figure import Figure

    bins = len(found.counts)
    edges = np.arange(bins) / bins
    filled = found.counts > 0
    figure = Figure(figsize=(4.8, 5.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    accuracy, sure = np.where(filled, found.accuracy, 0), np.where(filled, found.confidence, 0)
    upper.bar(
        edges,
        accuracy,
        1 / bins,
        align="edge",
        color="tab:blue",
        edgecolor="white",
        label="share right",
    )
    upper.bar(
        edges, np.abs(sure - accuracy), 1 / bins, np.minimum(sure, accuracy), align="edge",
        color="none", edgecolor="tab:red", hatch="///", linewidth=0, label="gap to the confidence",
    )  # fmt: skip
    upper.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    upper.set(
        ylabel="share right",
        xlim=(0, 1),
        ylim=(0, 1),
        title=f"expected calibration error {found.error:.2%}",
    )
    upper.legend(loc="upper left")
    lower.bar(
        edges,
        found.counts / max(found.counts.sum(), 1),
        1 / bins,
        align="edge",
        color="tab:grey",
        edgecolor="white",
    )
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="share of images")
    return _save(figure, path)


def most_probable(
    path: pathlib.Path,
    images: Sequence[np.ndarray],
    probabilities: np.ndarray,
    class_names: list[str],
    labels: np.ndarray,
    top: int = 5,
) -> pathlib.Path:
    """Each image above the bars of its `top` classes, as AlexNet's figure 4: the right one in red where `labels` knows it (-1: unknown).

    Images are uint8 [H, W, C] of any size, probabilities [N, K].
    """
    from matplotlib.figure import Figure

    columns = min(4, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(
        figsize=(max(2.6 * columns, 3.2), (2.3 + 0.26 * top) * rows), layout="constrained"
    )
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=(2.3, 0.26 * top) * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    for i, image in enumerate(images):
        picture, bars = (
            grid[2 * (i // columns), i % columns],
            grid[2 * (i // columns) + 1, i % columns],
        )
        picture.imshow(
            image if image.shape[2] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255
        )
        if labels[i] >= 0:
            picture.set_title(_short(class_names[labels[i]]), fontsize=10)
        best = np.argsort(-probabilities[i], kind="stable")[:top]
        colours = ["tab:red" if k == labels[i] else "tab:blue" for k in best]
        bars.set_axis_on()
        bars.barh(range(len(best)), probabilities[i][best], color=colours, alpha=0.45)
        for place, k in enumerate(best):
            bars.text(
                0.02,
                place,
                f"{_short(class_names[k])}  {probabilities[i][k]:.1%}",
                va="center",
                fontsize=8,
            )
        bars.set(xlim=(0, 1), ylim=(len(best) - 0.4, -0.6), xticks=[], yticks=[])
    return _save(figure, path)


def _short(name: str, most: int = 30) -> str:
    """The first of a class's synonyms, cut where it is long."""
    name = name.split(",")[0]
    return _literal(name if len(name) <= most else f"{name[: most - 3]}...")


def _literal(name: str) -> str:
    """A name as it is: between two dollars matplotlib would read mathematics, and fail where they hold none."""
    return name.replace("$", r"\$")
