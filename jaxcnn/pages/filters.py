"""The first layer's kernels as one picture."""

from typing import NamedTuple

import numpy as np

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.filters import first_kernels
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.pages.images import as_colour, data_uri

GAP = 1  # pixels between kernels, in pixels of a kernel
MOST = 256


class Filters(NamedTuple):
    """A picture of kernels, and the sentence beside it."""

    picture: str  # a data URI
    columns: int
    layer: str
    count: int
    size: str  # "5x5x1"
    dead: int
    large: int


def filters(viewer: Viewer) -> Filters | None:
    """The kernels of the first convolution in one scale; None for a network without any."""
    try:
        kernels = first_kernels(viewer.model, viewer.variables, viewer.shape)
    except ConfigError:
        return None
    largest = max(float(np.abs(kernels.values).max()), 1e-9)
    shown = 127.5 + 127.5 * kernels.values[:MOST] / largest  # zero is grey
    shown = np.round(shown).astype(np.uint8)  # [F, kh, kw, C]
    shown = shown if shown.shape[3] in (1, 3) else shown[..., :1]
    count, height, width = shown.shape[:3]
    columns = 16 if count >= 32 else 8 if count >= 8 else count
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 4), np.uint8)
    for number, kernel in enumerate(shown):
        row, column = divmod(number, columns)
        top, left = row * (height + GAP), column * (width + GAP)
        sheet[top : top + height, left : left + width, :3] = as_colour(kernel)
        sheet[top : top + height, left : left + width, 3] = 255  # gaps stay transparent
    return Filters(
        picture=data_uri(sheet, kind="png"),
        columns=columns,
        layer=kernels.layer,
        count=len(kernels.values),
        size="×".join(map(str, kernels.values.shape[1:])),
        dead=int(kernels.dead.sum()),
        large=int(kernels.large.sum()),
    )
