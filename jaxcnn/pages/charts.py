"""Charts as SVG inside a page: text stays text, and colours follow the page's style."""

import io
import itertools
import math
import re
from typing import Any

import numpy as np

from jaxcnn.draw.curves import Curve
from jaxcnn.draw.figure import literal
from jaxcnn.metrics import Calibration, interval

# Colours that the page's style replaces by its own (see `themed`): ink, faint lines, two series.
INK, FAINT, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404"
_VARIABLES = {INK: "--ink", FAINT: "--line", FIRST: "--first", SECOND: "--second"}
NAMED = 20  # classes up to which a confusion matrix has names and counts
DECADE = 3.0  # factor between largest and smallest value from which an axis is logarithmic
FEW = 40  # points of a curve up to which each has a marker
_numbers = itertools.count()


def figure(width: float, height: float, rows: int = 1, columns: int = 1, **grid: Any) -> Any:
    """(figure, axes [rows, columns]) of matplotlib in the page's style; inches."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False, **grid)
    for ax in axes.flat:
        ax.tick_params(colors=INK, labelcolor=INK, labelsize=9, length=3)
        ax.set_facecolor("none")
        for name, spine in ax.spines.items():
            spine.set_visible(name in ("left", "bottom"))
            spine.set_color(FAINT)
    return drawn, axes


def to_svg(drawn: Any, title: str) -> str:
    """The figure as an <svg> element, named `title` for screen readers."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(drawn)
    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "jaxcnn"}):
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return themed(text.getvalue(), title)


def themed(svg: str, title: str) -> str:
    """matplotlib's SVG as an element of a page: own names, colours of the style, scalable."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    prefix = f"c{next(_numbers)}-"  # names must differ between the charts of a page
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = body.replace('xlink:href="#', f'xlink:href="#{prefix}').replace(
        "url(#", f"url(#{prefix}"
    )
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--sans)", body)
    viewbox = re.search(r'viewBox="[^"]*"', body)
    assert viewbox, "matplotlib writes a viewBox"
    start = f'<svg {viewbox[0]} role="img" aria-label="{_escaped(title)}" '
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return re.sub(r"<svg[^>]*>", lambda _: start + spaces, body, count=1)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def curves(label: str, lines: dict[str, Curve]) -> str:
    """Curves by name over epochs: of a name with "test" in the second colour, with " B" dashed."""
    drawn, axes = figure(4.6, 3.2)
    ax = axes[0, 0]
    for name, curve in lines.items():
        ax.plot(
            curve.epochs,
            curve.values,
            "--" if name.endswith(" B") else "-",
            color=SECOND if "test" in name else FIRST,
            label=literal(name),
            marker="o" if len(curve.epochs) <= FEW else "",
            markersize=3.5,
            linewidth=1.6,
        )
    _scale(ax, lines)
    ax.set_xlabel("epoch", color=INK)
    ax.set_ylabel(label, color=INK)
    ax.set_xlim(left=0)
    ax.grid(True, color=FAINT, linewidth=0.6)
    ax.legend(frameon=False, labelcolor=INK, fontsize=9)
    return to_svg(drawn, f"{label} over epochs")


def _scale(ax: Any, lines: dict[str, Curve]) -> None:
    """A logarithmic axis with plain numbers where the values differ much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = np.concatenate([curve.values for curve in lines.values()])
    values = values[np.isfinite(values)]
    if len(values) and 0 < values.min() * DECADE < values.max():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())


def reliability(calibration: Calibration) -> str:
    """Share right against confidence with 95 % intervals, above the number of images a bin."""
    from matplotlib.ticker import FuncFormatter

    counts = calibration.counts
    filled, width = counts > 0, 1 / len(counts)
    edges = np.arange(len(counts)) * width
    right, sure = calibration.accuracy[filled], calibration.confidence[filled]
    low, high = interval(right, counts[filled])
    drawn, axes = figure(4.6, 4.6, 2, 1, sharex=True, height_ratios=(3, 1))
    upper, lower = axes[:, 0]
    upper.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    upper.errorbar(
        sure, right, yerr=np.abs(np.stack([right - low, high - right])), fmt="o", color=FIRST,
        markersize=4.5, elinewidth=1.2, capsize=2,
    )  # fmt: skip
    upper.set(xlim=(0, 1), ylim=(0, 1.03))
    upper.set_ylabel("share right", color=INK)
    upper.grid(True, color=FAINT, linewidth=0.6)
    lower.bar(edges, counts, 0.86 * width, align="edge", color=FIRST, alpha=0.55)
    lower.set_yscale("symlog", linthresh=1)
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    lower.set_ylim(0, 3 * max(int(counts.max()), 1))
    lower.set_ylabel("images", color=INK)
    lower.set_xlabel("confidence: probability of the predicted class", color=INK)
    lower.minorticks_off()
    return to_svg(drawn, f"Reliability; expected calibration error {calibration.error:.2%}")


def confusion(counts: np.ndarray, names: list[str]) -> str:
    """Counts [K, K] of at most NAMED classes with names; the shade is the share of the true class.

    Cells on the diagonal, which are right, have another colour than the mistakes.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.42 * len(names)
    drawn, axes = figure(side, side)
    ax = axes[0, 0]
    from matplotlib.patches import Rectangle

    for row, column in np.argwhere(counts > 0):
        share = float(shares[row, column])
        right = row == column
        colour = FIRST if right else SECOND
        opacity = 0.12 + 0.6 * share if right else min(1.0, 0.3 + 1.5 * share)
        place = column - 0.47, row - 0.47
        ax.add_patch(Rectangle(place, 0.94, 0.94, facecolor=colour, alpha=opacity, linewidth=0))
        text = str(counts[row, column])
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=INK)
    shown = [literal(name if len(name) <= 16 else f"{name[:15]}…") for name in names]
    long = max(map(len, shown)) > 3
    ax.set_xticks(range(len(names)), shown, rotation=90 if long else 0)
    ax.set_yticks(range(len(names)), shown)
    ax.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
    ax.set_xlabel("predicted", color=INK)
    ax.set_ylabel("true", color=INK)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    return to_svg(drawn, "Confusion matrix: counts of each true class by predicted class")


def confusion_blocks(counts: np.ndarray, cells: int = 250) -> tuple[np.ndarray, int]:
    """(picture uint8 [n, n, 3], classes a block) of a confusion matrix too large for names.

    Classes stand in blocks of neighbours; dark is a large share of the true class. Small shares are
    raised (power 0.4), since among many classes each confusion is rare.
    """
    block = math.ceil(len(counts) / cells)
    starts = np.arange(0, len(counts), block)
    summed = np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)
    shares = summed / np.maximum(summed.sum(axis=1, keepdims=True), 1)
    ink, paper = np.array([31, 78, 121]), np.array([246, 247, 249])
    mixed = paper + (ink - paper) * (shares**0.4)[..., None]
    return mixed.astype(np.uint8), block
