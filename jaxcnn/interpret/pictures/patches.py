"""ZFNet's figure 2: for some channels of a layer the nine patches that excite them most.

Beside each patch stands what excited the channel: its activation there, projected back.
"""

import pathlib
from collections.abc import Callable

import cv2
import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.grids import around_grey, flat, grid
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture, check_map, head_map, layer_shapes
from jaxcnn.interpret.deconvnet import Patch, deconvnet, receptive_box, top_patches
from jaxcnn.interpret.pictures.task import save_numbers
from jaxcnn.interpret.viewer import Viewer

EACH = 9  # patches of a channel
TILE = 48  # pixels of a patch in the picture
BATCH = 32


def strongest_patches(
    viewer: Viewer,
    views: np.ndarray,
    out: pathlib.Path,
    *,
    layer: str = "",
    most: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> pathlib.Path:
    """Draws for `most` channels of `layer` their nine strongest projections beside their patches.

    `views` are images as the network sees them, uint8 [N, S, S, C]. The channels are those with the
    strongest mean of peaks. Raises ConfigError for fewer than nine images.
    """
    if len(views) < EACH:
        raise ConfigError(f"{len(views)} images cannot fill {EACH} patches a channel; give more")
    shapes = layer_shapes(viewer.model, viewer.variables, (1, *viewer.shape))
    layer = check_map(shapes, layer or head_map(shapes))
    channels = _lively(viewer, views, layer, most)
    batches = (viewer.normalise(views[at : at + BATCH]) for at in range(0, len(views), BATCH))
    found = top_patches(
        viewer.model, viewer.variables, batches, layer, channels=channels, most=EACH
    )
    pictures, titles, values = [], [], []
    for number, channel in enumerate(channels, start=1):
        patches = found[channel]
        seen = [_patch(viewer, views, layer, channel, patch) for patch in patches]
        pictures += [_mosaic([pair[0] for pair in seen]), _mosaic([pair[1] for pair in seen])]
        titles += [f"channel {channel}: projections", f"{patches[0].value:.3g} ... patches"]
        values.append([(p.value, p.index, p.row, p.column) for p in patches])
        if progress:
            progress(number, len(channels))
    path = grid(
        pictures, out / f"patches_{layer.replace('/', '.')}.png", columns=4, titles=titles,
        title=f"{viewer.metadata['model']}, {layer}: the {EACH} strongest of {len(views)} images",
    )  # fmt: skip
    save_numbers(path, channels=np.asarray(channels), patches=np.asarray(values, np.float64))
    return path


def _lively(viewer: Viewer, views: np.ndarray, layer: str, most: int) -> list[int]:
    """The `most` channels with the strongest mean of peaks over a first batch of images."""
    inputs = viewer.normalise(views[:BATCH])
    maps = np.asarray(capture(viewer.model, viewer.variables, inputs, [layer])[layer], np.float32)
    return np.argsort(-maps.max(axis=(1, 2)).mean(axis=0), kind="stable")[:most].tolist()


def _patch(
    viewer: Viewer, views: np.ndarray, layer: str, channel: int, patch: Patch
) -> tuple[np.ndarray, np.ndarray]:
    """(the projection, the patch) inside what the position sees, each a picture of TILE pixels."""
    top, left, height, width = receptive_box(
        viewer.model, viewer.variables, viewer.shape, layer, row=patch.row, column=patch.column
    )
    inside = slice(top, top + height), slice(left, left + width)
    view = views[patch.index]
    image = viewer.normalise(view[None])
    back = deconvnet(viewer.model, viewer.variables, image, layer, jnp.asarray([channel]))
    projection = around_grey(np.asarray(back, np.float32)[0][inside])
    return _tile((255 * projection.clip(0, 1)).astype(np.uint8)), _tile(flat(view[inside]))


def _tile(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA)


def _mosaic(tiles: list[np.ndarray]) -> np.ndarray:
    """Nine tiles in three rows, a white line between them."""
    framed = [np.pad(t, ((1, 1), (1, 1), (0, 0))[: t.ndim], constant_values=255) for t in tiles]
    rows = [np.concatenate(framed[start : start + 3], axis=1) for start in (0, 3, 6)]
    return np.concatenate(rows, axis=0)
