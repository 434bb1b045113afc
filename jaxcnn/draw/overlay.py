"""Maps over images, with a colour bar in their unit; and grids of kernels, maps and patches."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from jaxcnn.errors import DataError

INCHES = 2.6  # side of one panel
NOTHING = "nothing above zero"


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture in a row: an image, and over it a map [H, W] of the same pixels (NaN: not seen)
    where there is one."""

    image: np.ndarray  # uint8 [H, W, 1 or 3]
    title: str = ""
    heat: np.ndarray | None = None  # float32 [H, W]
    unit: str = ""
    box: tuple[float, float, float, float] | None = None  # top, left, height, width in pixels
    span: tuple[float, float] | None = (
        None  # values at the ends of the colours; None: the map's own
    )
    signed: bool = False  # colours around zero, instead of from zero up
    alone: bool = False  # the map without the image below it


def rows_of_panels(
    rows: Sequence[Sequence[Panel]],
    path: str | pathlib.Path,
    *,
    title: str = "",
    strength: float = 0.55,
) -> pathlib.Path:
    """Draws rows of panels into `path`; maps lie over their images with opacity `strength`."""
    from matplotlib.figure import Figure

    columns = max(map(len, rows))
    figure = Figure(
        figsize=(INCHES * columns + 0.3, (INCHES + 0.35) * len(rows) + 0.3), layout="constrained"
    )
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, panels in zip(axes, rows, strict=True):
        for ax in line:
            ax.set_axis_off()
        for ax, panel in zip(line, panels, strict=False):
            _draw(figure, ax, panel, strength)
    if title:
        figure.suptitle(_literal(title), fontsize=9)
    return save(figure, path)


def _draw(figure, ax, panel: Panel, strength: float) -> None:
    from matplotlib.patches import Rectangle

    height, width = panel.image.shape[:2]
    grey = panel.image.shape[2] == 1
    if not panel.alone:
        ax.imshow(panel.image[..., 0] if grey else panel.image, cmap="gray", vmin=0, vmax=255)
    ax.set_title(_literal(panel.title), fontsize=7.5, loc="left", wrap=True)
    if panel.heat is not None:
        low, high = panel.span or limits(panel.heat, panel.signed)
        if not high > low or (not panel.signed and high <= 0):
            ax.text(width / 2, height / 2, NOTHING, ha="center", va="center", fontsize=8,
                    bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0})  # fmt: skip
        else:
            shown = ax.imshow(
                panel.heat, cmap="RdBu_r" if panel.signed else "inferno", vmin=low, vmax=high,
                alpha=1.0 if panel.alone else strength, interpolation="nearest",
            )  # fmt: skip
            bar = figure.colorbar(shown, ax=ax, fraction=0.046, pad=0.02)
            bar.ax.tick_params(labelsize=6)
            bar.solids.set_alpha(1.0)
            bar.set_label(panel.unit, fontsize=6.5)
    if panel.box is not None:
        top, left, box_height, box_width = panel.box
        ax.add_patch(
            Rectangle(
                (left - 0.5, top - 0.5),
                box_width,
                box_height,
                fill=False,
                edgecolor="#00e0ff",
                lw=1.5,
            )
        )


def limits(heat: np.ndarray, signed: bool) -> tuple[float, float]:
    """Values at the ends of the colours: 0 to the largest, or the largest distance from zero on
    both sides."""
    finite = heat[np.isfinite(heat)]
    top = float(np.abs(finite).max() if signed else finite.max()) if finite.size else 0.0
    return (-top, top) if signed else (0.0, top)


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
    """Draws small pictures (float in [0, 1] or uint8, [h, w] or [h, w, 3]) in a grid; `marks` are
    colours of frames.

    A wider gap follows the rows named by `gap_after` (AlexNet's two towers).
    """
    from matplotlib.figure import Figure

    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    side = 0.62 if max(columns, rows) > 6 else 1.3
    tall = 0.16 if titles else 0.0
    figure = Figure(figsize=(side * columns + 0.2, (side + tall) * rows + (0.35 if title else 0.1)))
    heights = [1.0 + (0.35 if r in gap_after else 0.0) for r in range(rows)]
    spec = figure.add_gridspec(rows, columns, height_ratios=heights, wspace=0.06, hspace=0.06 + 1.4 * tall,
                               left=0.01, right=0.99, bottom=0.01, top=0.9 if title else 0.97)  # fmt: skip
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        ax = figure.add_subplot(spec[row, column])
        ax.imshow(
            image, cmap="gray" if image.ndim == 2 else None, interpolation="nearest", aspect="equal"
        )
        ax.set_xticks([])
        ax.set_yticks([])
        mark = marks[number] if number < len(marks) else ""
        for spine in ax.spines.values():
            spine.set_visible(bool(mark))
            spine.set_color(mark or "black")
            spine.set_linewidth(2)
        if number < len(titles):
            ax.set_title(_literal(titles[number]), fontsize=5.5, pad=1.5)
    if title:
        figure.suptitle(_literal(title), fontsize=8, x=0.01, ha="left")
    return save(figure, path)


def stretch(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Values scaled so that `low` is 0 and `high` 1 (default: their own extremes), as pictures are
    shown."""
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.full_like(values, 0.5)


def save(figure, path: str | pathlib.Path) -> pathlib.Path:
    """Writes a matplotlib figure; raises DataError where it cannot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    path = pathlib.Path(path)
    FigureCanvasAgg(figure)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise DataError(f"the picture {path} cannot be written: {error.strerror}") from None
    return path


def _literal(text: str) -> str:
    """Text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
