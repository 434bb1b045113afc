"""A network's first kernels as a picture: AlexNet's figure 3, and ZFNet's figure 6 of two runs."""

import pathlib

import numpy as np

from jaxcnn.draw.grids import flat, grid, stretch
from jaxcnn.interpret.filters import Kernels, first_kernels
from jaxcnn.interpret.pictures.task import save_numbers
from jaxcnn.interpret.viewer import Viewer

ACROSS = 16  # kernels in a row, where their number is a multiple


def filters(viewer: Viewer, out: pathlib.Path, *, name: str = "filters") -> pathlib.Path:
    """The kernels of the first layer in one scale; dead ones framed in red, dominant ones in blue.

    Kernels of two towers stand apart, the first tower above the second (AlexNet's figure 3).
    """
    kernels = first_kernels(viewer.model, viewer.variables, viewer.shape)
    towers = getattr(viewer.model, "groups", 1)
    shown = len(kernels.values)
    columns = ACROSS if shown % ACROSS == 0 else int(np.ceil(np.sqrt(shown)))
    each = shown // towers // columns  # rows of a tower
    gaps = [each * tower - 1 for tower in range(1, towers)]
    path = grid(
        [flat(kernel) for kernel in stretch(kernels.values)], out / f"{name}.png", columns=columns,
        title=f"{viewer.metadata['model']}: {_said(kernels)}", marks=_marks(kernels),
        gap_after=gaps,
    )  # fmt: skip
    save_numbers(path, **kernels._asdict())
    return path


def _marks(kernels: Kernels) -> list[str]:
    colours = {(True, False): "red", (False, True): "blue"}
    pairs = zip(kernels.dead.tolist(), kernels.large.tolist(), strict=True)
    return [colours.get(pair, "") for pair in pairs]


def _said(kernels: Kernels) -> str:
    size = "x".join(map(str, kernels.values.shape[1:]))
    return (
        f"{kernels.layer}, {len(kernels.values)} kernels of {size} in one scale\n"
        f"{kernels.dead.sum()} dead (red), {kernels.large.sum()} dominant (blue)"
    )
