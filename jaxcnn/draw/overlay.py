"""Maps over images, each with a colour bar in the map's unit."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.draw import figure as figures
from jaxcnn.draw.figure import literal, short
from jaxcnn.errors import DataError

INCHES = 2.6  # the longer side of one panel
NOTHING = "nothing above zero"
FRAME, BOX = "#e01020", "#00e0ff"


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture of a row: an image, and where there is one a map [H, W] over it."""

    image: np.ndarray  # uint8 [H, W, 1 or 3]
    title: str = ""
    heat: np.ndarray | None = None  # float32 [H, W] of the image's pixels; NaN: not shown
    unit: str = ""
    box: tuple[float, float, float, float] | None = None  # top, left, height, width in pixels
    # Values at the ends of the colours; None: the map's own.
    span: tuple[float, float] | None = None
    signed: bool = False  # colours around zero, instead of from zero up
    alone: bool = False  # the map without the image below it
    names: tuple[str, ...] = ()  # the map holds indices of these, and has a colour for each
    framed: bool = False  # a frame marks the right class


def rows_of_panels(
    rows: Sequence[Sequence[Panel]],
    path: str | pathlib.Path,
    *,
    title: str = "",
    strength: float = 0.6,
    one_bar: bool = False,
) -> pathlib.Path:
    """Draws rows of panels into `path`; maps lie over their images with opacity `strength`.

    With `one_bar` the maps of a row have the same span and share one colour bar.
    """
    from matplotlib.figure import Figure

    columns = max(map(len, rows))
    tall = [max(_height(panel) for panel in row) for row in rows]
    lines = max(panel.title.count("\n") + 1 for row in rows for panel in row)
    bar = 0.75 * (1 if one_bar else any(p.heat is not None for row in rows for p in row) * columns)
    wide = max(INCHES * columns + bar, 4.5)
    size = wide, sum(tall) + (0.16 * lines + 0.1) * len(rows) + 0.3
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=tall)
    for line, panels in zip(axes, rows, strict=True):
        for ax in line:
            ax.set_axis_off()
        drawn = [_draw(ax, panel, strength) for ax, panel in zip(line, panels, strict=False)]
        _bars(figure, list(line), panels, drawn, one_bar)
    if title:
        figure.suptitle(literal(title), fontsize=9)
    return save(figure, path)


def _height(panel: Panel) -> float:
    height, width = panel.image.shape[:2]
    return INCHES * min(1.6, max(0.4, height / width))


def _draw(ax: Any, panel: Panel, strength: float) -> Any:
    """Draws a panel without its colour bar; returns what matplotlib makes of its map, or None."""
    from matplotlib.patches import Rectangle

    height, width = panel.image.shape[:2]
    grey = panel.image.shape[2] == 1
    if not panel.alone:
        image = panel.image[..., 0] if grey else panel.image
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
    ax.set_title(literal(panel.title), fontsize=7.5, loc="left")
    shown = _draw_map(ax, panel, strength)
    if panel.heat is not None and shown is None:
        ax.text(
            width / 2, height / 2, NOTHING, ha="center", va="center", fontsize=8,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0},
        )  # fmt: skip
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    if panel.box is not None:
        top, left, tall, wide = panel.box
        corner = left - 0.5, top - 0.5
        ax.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=BOX, linewidth=1.5))
    if panel.framed:
        ax.add_patch(
            Rectangle(
                (-0.5, -0.5), width, height, fill=False, edgecolor=FRAME, linewidth=4, clip_on=False
            )
        )
    return shown


def _draw_map(ax: Any, panel: Panel, strength: float) -> Any:
    if panel.heat is None:
        return None
    opacity = 1.0 if panel.alone else strength
    if panel.names:
        from matplotlib import colormaps

        colours = colormaps["tab10"].resampled(10)
        return ax.imshow(
            panel.heat, cmap=colours, vmin=-0.5, vmax=9.5, alpha=opacity, interpolation="nearest"
        )
    low, high = panel.span or limits(panel.heat, panel.signed)
    if (
        not high > low
        or not (np.abs(panel.heat) if panel.signed else panel.heat)[np.isfinite(panel.heat)].max(
            initial=0.0
        )
        > 0
    ):
        return None
    colours = "RdBu_r" if panel.signed else "inferno"
    return ax.imshow(
        panel.heat, cmap=colours, vmin=low, vmax=high, alpha=opacity, interpolation="nearest"
    )


def _bars(figure: Any, axes: list, panels: Sequence[Panel], drawn: list, one_bar: bool) -> None:
    """The colour bars of one row, or names beside the colours of a map of names."""
    with_map = [place for place, shown in enumerate(drawn) if shown is not None]
    if one_bar:
        if with_map:
            _bar(figure, axes, panels[with_map[0]], drawn[with_map[0]])
        return
    for place in with_map:
        panel = panels[place]
        if not panel.names:
            _bar(figure, axes[place], panel, drawn[place])
            continue
        colours = [drawn[place].cmap(drawn[place].norm(k)) for k in range(len(panel.names))]
        axes[place].legend(
            handles=[_patch(colour) for colour in colours], labels=[short(n) for n in panel.names],
            loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=6, frameon=False,
        )  # fmt: skip


def _bar(figure: Any, axes: Any, panel: Panel, shown: Any) -> None:
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02, aspect=24)
    bar.ax.tick_params(labelsize=6)
    bar.ax.yaxis.get_offset_text().set_fontsize(6)
    bar.solids.set_alpha(1.0)
    bar.set_label(literal(panel.unit), fontsize=6.5)


def _patch(colour: Any) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour)


def limits(heat: np.ndarray, signed: bool) -> tuple[float, float]:
    """Values at the ends of the colours: 0 and the largest; if `signed` zero is in the middle."""
    finite = heat[np.isfinite(heat)]
    top = float((np.abs(finite) if signed else finite).max(initial=0.0))
    return (-top if signed else 0.0), top


def save(figure: Any, path: str | pathlib.Path) -> pathlib.Path:
    """Writes a matplotlib figure and makes its folder; raises DataError where it cannot."""
    path = pathlib.Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return figures.save(figure, path)
    except OSError as error:
        raise DataError(f"the picture {path} cannot be written: {error.strerror}") from None
