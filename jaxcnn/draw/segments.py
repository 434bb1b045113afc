"""Label maps as colours over the image, with a legend; OpenCV alone."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from jaxcnn.errors import DataError

VOID = 255  # drawn in VOC's cream
LINE, SWATCH = 20, 14  # pixels: height of a legend's line, side of its square
CHARACTER = 7.2  # width of a letter
STRENGTH = 0.6  # share of the colour where it lies over the image


def palette() -> np.ndarray:
    """PASCAL VOC's colours of classes 0 to 255, uint8 [256, 3] RGB.

    The bits of a class's number, three at a time from the lowest, become the highest bits of red,
    green and blue.
    """
    numbers = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for level in range(3):
        for channel in range(3):
            bit = (numbers >> (3 * level + channel)) & 1
            colours[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colours


def overlay(image: np.ndarray, classes: np.ndarray, strength: float = STRENGTH) -> np.ndarray:
    """The image uint8 [H, W, 1 or 3] under the colours of its classes [H, W]: uint8 [H, W, 3] RGB.

    Class 0, the background, stays as it is; edges between classes are white. Under a colour the
    image is grey, so that the colours are those of the legend on whatever they lie.
    """
    colour = np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32)
    painted = palette()[classes].astype(np.float32)  # [H, W, 3]
    share = np.where(classes == 0, 0.0, strength)[..., None]  # [H, W, 1]
    under = np.where(share > 0, colour.mean(axis=-1, keepdims=True), colour)
    mixed = np.round((1 - share) * under + share * painted).astype(np.uint8)
    if min(classes.shape) >= 160:  # lines of one pixel would hide a smaller picture
        mixed[edges(classes)] = 255
    return mixed


def edges(classes: np.ndarray) -> np.ndarray:
    """Pixels [H, W] with another class to the right of them or below."""
    found = np.zeros(classes.shape, bool)
    found[:, :-1] |= classes[:, :-1] != classes[:, 1:]
    found[:-1] |= classes[:-1] != classes[1:]
    return found


def panels(
    columns: Sequence[tuple[str, np.ndarray]],
    classes: Sequence[int],
    class_names: Sequence[str],
    path: str | Path,
    *,
    side: int = 320,
) -> Path:
    """Draws titled pictures [H, W, 3] side by side above a legend of `classes`.

    Small ones are enlarged so that their long side is at least `side`. Returns the path of the PNG;
    raises DataError where it cannot be written.
    """
    shown = [_enlarged(picture, side) for _, picture in columns]
    height, width = max(p.shape[0] for p in shown), sum(p.shape[1] + 6 for p in shown)
    lines = legend(classes, class_names, width)
    sheet = np.full((LINE + height + 6, width, 3), 255, np.uint8)
    left = 3
    for (title, _), picture in zip(columns, shown, strict=True):
        sheet[LINE : LINE + picture.shape[0], left : left + picture.shape[1]] = picture
        _write(sheet, title, (left, LINE - 6))
        left += picture.shape[1] + 6
    drawn = np.concatenate([sheet, lines])
    if not cv2.imwrite(str(path), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)):
        raise DataError(f"{path} cannot be written; check that its folder exists and is writable")
    return Path(path)


def legend(classes: Sequence[int], class_names: Sequence[str], width: int) -> np.ndarray:
    """A square in the colour of each class beside its name: uint8 [lines, width, 3]."""
    named = [(k, "void" if k == VOID else class_names[k].split(",")[0]) for k in classes]
    each = 3 * SWATCH + int(CHARACTER * max((len(name) for _, name in named), default=1))
    per_line = max(1, width // each)
    lines = max(1, math.ceil(len(named) / per_line))
    drawn = np.full((lines * LINE + 4, width, 3), 255, np.uint8)
    for place, (number, name) in enumerate(named):
        top, left = place // per_line * LINE + 3, place % per_line * each + 4
        colour = tuple(int(v) for v in palette()[number])
        cv2.rectangle(drawn, (left, top), (left + SWATCH, top + SWATCH), colour, -1)
        cv2.rectangle(drawn, (left, top), (left + SWATCH, top + SWATCH), (0, 0, 0), 1)
        _write(drawn, name, (left + SWATCH + 6, top + SWATCH - 3))
    return drawn


def _enlarged(picture: np.ndarray, side: int) -> np.ndarray:
    """`picture` with each pixel a square of as many pixels as make its long side `side` or more."""
    times = math.ceil(side / max(picture.shape[:2]))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _write(sheet: np.ndarray, text: str, at: tuple[int, int]) -> None:
    ascii_ = text.encode("ascii", "replace").decode()
    cv2.putText(sheet, ascii_, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
