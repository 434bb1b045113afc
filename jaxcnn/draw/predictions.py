"""Pictures of predictions: how far their confidence can be trusted, and those of single images."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.draw.figure import literal, save, short
from jaxcnn.metrics import Calibration, interval

RIGHT, OTHER = "tab:green", "tab:blue"
ACROSS = 4  # images in a row


def reliability(path: pathlib.Path, calibration: Calibration) -> pathlib.Path:
    """Share right against confidence, bin by bin, above the number of images in each bin.

    A line through each point is the 95 % interval of the share: it is long where a bin holds few
    images (arXiv:1706.04599, figure 1).
    """
    from matplotlib.figure import Figure

    counts = calibration.counts
    width = 1 / len(counts)
    edges = np.arange(len(counts)) * width
    filled = counts > 0
    figure = Figure(figsize=(5.2, 6.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--", label="calibrated")
    sure, right = calibration.confidence[filled], calibration.accuracy[filled]
    low, high = interval(right, counts[filled])
    spread = np.abs(np.stack([right - low, high - right]))  # [2, M]
    upper.bar(edges[filled], right, width, align="edge", color="tab:blue", alpha=0.25)
    upper.errorbar(
        sure, right, yerr=spread, fmt="o", color="tab:blue", markersize=4, capsize=3,
        label="share right, with its 95 % interval",
    )  # fmt: skip
    upper.set(
        ylabel="share right",
        xlim=(0, 1),
        ylim=(0, 1.02),
        title=f"expected calibration error {calibration.error:.2%}",
    )
    upper.legend(loc="upper left")
    lower.bar(edges, counts, width, align="edge", color="tab:grey", edgecolor="white")
    for edge, count in zip(edges[filled], counts[filled], strict=True):
        lower.annotate(
            f"{count:,}", (edge + width / 2, count), (0, 2), textcoords="offset points",
            ha="center", fontsize=6,
        )  # fmt: skip
    lower.set_yscale("symlog", linthresh=1)
    lower.set(
        xlabel="confidence: probability of the predicted class",
        ylabel="images",
        ylim=(0, 4 * max(counts.max(), 1)),
    )
    return save(figure, path)


def most_probable(
    path: pathlib.Path,
    images: Sequence[np.ndarray],
    probabilities: np.ndarray,
    *,
    class_names: list[str],
    labels: np.ndarray,
    captions: Sequence[str] = (),
    top: int = 5,
) -> pathlib.Path:
    """Each image above the bars of its `top` classes, as in AlexNet's figure 4.

    Args:
      images: uint8 [H, W, C] of any size, [N] of them.
      probabilities: [N, K].
      labels: [N]; the bar of the right class is green, where it is known (not -1).
      captions: what stands above each image, such as the file's name.
    """
    from matplotlib.figure import Figure

    columns = min(ACROSS, len(images))
    rows = math.ceil(len(images) / columns)
    heights = (2.5, 0.26 * top)
    size = max(2.8 * columns, 3.6), (sum(heights) + 0.2) * rows
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=heights * rows)
    for axes in grid.flat:
        axes.set_axis_off()
    any_known = np.max(labels) >= 0
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        known = f"is {class_names[labels[i]].split(',')[0]}" if labels[i] >= 0 else ""
        title = [captions[i]] if captions else []
        title += [known] if any_known else []  # a line for all, so that all are level
        _draw_image(grid[2 * row, column], image, title)
        order = np.argsort(-probabilities[i], kind="stable")[:top]
        _draw_bars(
            grid[2 * row + 1, column],
            [class_names[k] for k in order],
            probabilities[i][order],
            order == labels[i],
        )
    return save(figure, path)


def _draw_image(axes: Any, image: np.ndarray, title: list[str]) -> None:
    """An image [H, W, C] in the middle of its axes, so that titles beside each other are level."""
    shown = image if image.shape[2] == 3 else image[..., 0]
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255)
    side = max(image.shape[:2])
    height, width = image.shape[:2]
    axes.set_xlim((width - side) / 2 - 0.5, (width + side) / 2 - 0.5)
    axes.set_ylim((height + side) / 2 - 0.5, (height - side) / 2 - 0.5)
    axes.set_title("\n".join(literal(_cut(line)) or " " for line in title), fontsize=9)


def _cut(line: str, most: int = 34) -> str:
    """A line whose beginning is left out where it is long: a file's name ends it."""
    return line if len(line) <= most else f"...{line[3 - most :]}"


def _draw_bars(axes: Any, names: list[str], probabilities: np.ndarray, right: np.ndarray) -> None:
    """One bar a class, the first on top; those that are `right` in another colour."""
    axes.set_axis_on()
    colours = [RIGHT if is_right else OTHER for is_right in right]
    axes.barh(range(len(names)), probabilities, color=colours, alpha=0.45)
    for place, (name, share, is_right) in enumerate(zip(names, probabilities, right, strict=True)):
        text = f"{short(name)}  {100 * share:.1f} %"
        weight = "bold" if is_right else "normal"
        axes.text(0.02, place, text, va="center", fontsize=8, fontweight=weight)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6), xticks=[], yticks=[])
