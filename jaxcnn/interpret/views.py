"""Where in an image the views lie that a network is shown, and how maps over views come back.

Maps are placed in the image's own pixels. The network's input is a square of `image_size` pixels:
a part of the image (the view's box), with `pad` pixels of background around it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from jaxcnn.data.images.boxes import central_square
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import add_background, eval_view, framed, middle
from jaxcnn.errors import ConfigError

Size = tuple[int, int]  # height, width in pixels
Place = tuple[float, float, float, float]  # top, left, height, width in pixels of the image


class View(NamedTuple):
    """What the network is shown of one image."""

    pixels: np.ndarray  # uint8 [S, S, C]
    box: Place  # the part of the image that it shows, without background
    mirrored: bool = False


def view_box(size: Size, preprocess: Preprocess) -> Place:
    """The part of an image of `size` that evaluation's centre crop shows, in the image's pixels.

    The background that `preprocess.pad` adds around it is not part of it.
    """
    short, inner = preprocess.resized, preprocess.inner
    frame = _frame_size(size, short, preprocess)
    top, left = (round((side - inner) / 2) for side in frame)
    return _in_image((top, left, inner, inner), size, short, preprocess)


def center(pixels: np.ndarray, preprocess: Preprocess) -> list[View]:
    """The one view that the checkpoint's preprocessing describes."""
    return [View(eval_view(pixels, preprocess), view_box(pixels.shape[:2], preprocess))]


def ten_crop(pixels: np.ndarray, preprocess: Preprocess) -> list[View]:
    """Four corners and centre of the central square, and their mirror images (AlexNet section 4.1).

    The image has the short side that evaluation gives it, or 8/7 of the crop where the crop is all
    of it.
    """
    inner = preprocess.inner
    short = preprocess.resized if preprocess.crop_fraction < 1 else round(inner * 8 / 7)
    shown = pixels if preprocess.frame == "warp" else middle(pixels)
    frame = framed(shown, short, preprocess)
    top, left, side, _ = central_square(frame.shape[:2])
    spare = side - inner
    half = round(spare / 2)
    views = []
    for down, across in ((0, 0), (0, spare), (spare, 0), (spare, spare), (half, half)):
        y, x = top + down, left + across
        cut = add_background(frame[y : y + inner, x : x + inner], preprocess.pad)  # [S, S, C]
        box = _in_image((y, x, inner, inner), pixels.shape[:2], short, preprocess)
        views += [View(cut, box), View(np.ascontiguousarray(cut[:, ::-1]), box, mirrored=True)]
    return views


PROTOCOLS: dict[str, Callable[[np.ndarray, Preprocess], list[View]]] = {
    "center": center,
    "ten_crop": ten_crop,
}


def views_of(protocol: str, pixels: np.ndarray, preprocess: Preprocess) -> list[View]:
    """The views of an image uint8 [H, W, C] that `protocol` names; ConfigError where there is none.

    Attributions are averaged over them.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"there are no views {protocol!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol](pixels, preprocess)


def place(heat: np.ndarray, size: Size, preprocess: Preprocess) -> np.ndarray:
    """A map over the network's input [h, w] in the pixels of the image [H, W] it was cut from.

    Bilinear, with half-pixel centres; NaN where the input does not reach.
    """
    return place_in(heat, size, view_box(size, preprocess), preprocess)


def place_in(heat: np.ndarray, size: Size, box: Place, preprocess: Preprocess) -> np.ndarray:
    """As `place`, for the view that shows `box` of the image."""
    side, pad = preprocess.image_size, preprocess.pad
    whole = cv2.resize(np.asarray(heat, np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    inner = np.ascontiguousarray(whole[pad : side - pad, pad : side - pad])
    return onto(inner, size, box)


def onto(heat: np.ndarray, size: Size, box: Place) -> np.ndarray:
    """A map [h, w] over `box` of an image, in that image's pixels [H, W]; NaN outside the box."""
    top, left, height, width = box
    rows = (np.arange(size[0]) + 0.5 - top) / height * heat.shape[0] - 0.5
    columns = (np.arange(size[1]) + 0.5 - left) / width * heat.shape[1] - 0.5
    x, y = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    placed = cv2.remap(
        np.asarray(heat, np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )  # [H, W]
    outside_rows = (rows < -0.5) | (rows > heat.shape[0] - 0.5)
    outside_columns = (columns < -0.5) | (columns > heat.shape[1] - 0.5)
    placed[outside_rows[:, None] | outside_columns[None, :]] = np.nan
    return placed


def placed_mean(
    heats: Sequence[np.ndarray], views: Sequence[View], size: Size, preprocess: Preprocess
) -> np.ndarray:
    """The mean of the maps [h, w] of several views in the image's pixels [H, W].

    Each pixel's mean is over the views that show it; NaN where none does.
    """
    total, count = np.zeros(size, np.float32), np.zeros(size, np.int32)
    for heat, view in zip(heats, views, strict=True):
        upright = np.ascontiguousarray(heat[:, ::-1]) if view.mirrored else heat
        placed = place_in(upright, size, view.box, preprocess)
        shown = np.isfinite(placed)
        total[shown] += placed[shown]
        count += shown
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def _scaled(size: Size, short: int, preprocess: Preprocess) -> tuple[Size, tuple[int, int]]:
    """(size of the whole resized image, top and left of the elongated ends cut off before)."""
    if preprocess.frame == "warp":
        return (short, short), (0, 0)
    kept = middle(np.broadcast_to(np.uint8(0), (*size, 1))).shape
    height, width = kept[:2]
    ends = (size[0] - height) // 2, (size[1] - width) // 2
    if height < width:
        return (short, max(short, int(short * width / height))), ends
    return (max(short, int(short * height / width)), short), ends


def _frame_size(size: Size, short: int, preprocess: Preprocess) -> Size:
    """Size of what `framed` gives, which crops are cut from."""
    if preprocess.frame == "square":
        return short, short
    return _scaled(size, short, preprocess)[0]


def _in_image(
    box: tuple[int, int, int, int], size: Size, short: int, preprocess: Preprocess
) -> Place:
    """A box of the framed image in pixels of the image of `size`."""
    scaled, ends = _scaled(size, short, preprocess)
    top, left, height, width = box
    if preprocess.frame == "square":
        frame_top, frame_left, _, _ = central_square(scaled)
        top, left = top + frame_top, left + frame_left
    down = (size[0] - 2 * ends[0]) / scaled[0]
    across = (size[1] - 2 * ends[1]) / scaled[1]
    return ends[0] + top * down, ends[1] + left * across, height * down, width * across
