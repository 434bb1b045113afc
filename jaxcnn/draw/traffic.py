"""A picture of where a step's memory traffic goes: one bar a layer, forward and backward."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

from jaxcnn.draw.figure import literal, save


class Bar(NamedTuple):
    """A layer's bytes of traffic."""

    name: str
    forward: int
    backward: int
    update: int


def traffic_by_layer(path: pathlib.Path, title: str, bars: Sequence[Bar]) -> pathlib.Path:
    """Draws the bars, the first on top, in MB; returns `path`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.24 * len(bars)), layout="constrained")
    axes = figure.subplots()
    places, left = range(len(bars)), [0.0] * len(bars)
    colours = {"forward": "tab:blue", "backward": "tab:orange", "update": "tab:green"}
    for direction, colour in colours.items():
        sizes = [getattr(bar, direction) / 1e6 for bar in bars]
        axes.barh(places, sizes, left=left, color=colour, label=direction)
        left = [start + size for start, size in zip(left, sizes, strict=True)]
    axes.set_yticks(places, [literal(bar.name) for bar in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="memory traffic of one step on one device, MB", title=literal(title))
    axes.grid(True, axis="x", alpha=0.25)
    axes.legend(loc="lower right")
    return save(figure, path)
