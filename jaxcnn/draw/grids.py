"""Grids of small pictures: kernels, feature maps, patches."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.draw.figure import literal
from jaxcnn.draw.overlay import save

LARGE, SMALL = 1.3, 0.62  # inches: side of a picture in a grid of few or of many


def grid(
    images: Sequence[np.ndarray],
    path: str | pathlib.Path,
    *,
    columns: int = 0,
    titles: Sequence[str] = (),
    title: str = "",
    marks: Sequence[str] = (),
    gap_after: Sequence[int] = (),
) -> pathlib.Path:
    """Draws small pictures in a grid, row by row.

    Pictures are float in [0, 1] or uint8, [h, w] or [h, w, 3]. `marks` are the colours of their
    frames, "" for none. A wider gap follows the rows in `gap_after` (AlexNet's two towers).
    """
    from matplotlib.figure import Figure

    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    side = LARGE if titles or max(columns, rows) <= 6 else SMALL
    above = 0.2 if titles else 0.05  # inches between the pictures of one column
    heading = 0.12 + 0.14 * len(title.splitlines())
    heights = [1.0 + (0.35 if row in gap_after else 0.0) for row in range(rows)]
    wide = max(side * columns + 0.1, 3.2)
    tall = side * sum(heights) + above * rows + heading
    figure = Figure(figsize=(wide, tall))
    spec = figure.add_gridspec(
        rows, columns, height_ratios=heights, wspace=0.05, hspace=above / side,
        left=0.05 / wide, right=1 - 0.05 / wide, bottom=0.03 / tall,
        top=1 - (heading + (above if titles else 0.0)) / tall,
    )  # fmt: skip
    for number, image in enumerate(images):
        ax = figure.add_subplot(spec[divmod(number, columns)])
        span: dict[str, Any] = {"vmin": 0, "vmax": 255 if image.dtype == np.uint8 else 1}
        ax.imshow(image, cmap="gray", interpolation="nearest", **span)
        ax.set(xticks=[], yticks=[])
        mark = marks[number] if number < len(marks) else ""
        for spine in ax.spines.values():
            spine.set(visible=bool(mark), color=mark or "black", linewidth=2)
        if number // columns in gap_after:  # the gap lies below the picture
            ax.set_anchor("N")
        if number < len(titles):
            ax.set_title(literal(titles[number]), fontsize=6, pad=2)
    if title:
        figure.suptitle(
            literal(title), fontsize=8, x=0.05 / wide, y=1 - 0.05 / tall, ha="left", va="top"
        )
    return save(figure, path)


def stretch(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values scaled for a picture: `low` becomes 0 and `high` 1 (default: their own extremes).

    Values that are all the same become 0.
    """
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def around_grey(values: np.ndarray) -> np.ndarray:
    """Signed values [H, W, C] as a picture in [0, 1] in which zero is grey ([H, W] where C = 1)."""
    limit = float(np.abs(values).max())
    picture = 0.5 + 0.5 * values / limit if limit > 0 else np.full_like(values, 0.5)
    return flat(picture)


def flat(picture: np.ndarray) -> np.ndarray:
    """A picture [H, W, 1] as [H, W], and one [H, W, 3] as it is."""
    return picture[..., 0] if picture.shape[2] == 1 else picture
