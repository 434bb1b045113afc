"""Images at a glance: thumbnails above their captions, without a plotting library."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from jaxcnn.errors import DataError

TILE, LINE = 128, 14  # pixels: side of a thumbnail, height of a line of its caption
CHARACTER = 6.2  # width of a letter


def contact_sheet(
    batch: dict[str, np.ndarray], class_names: list[str], path: str | Path, limit: int = 64
) -> Path:
    """Draws the first `limit` images of `batch` as a PNG, each above its class name.

    `batch` has image uint8 [B, S, S, C], label [B] and mask [B]; images with mask 0 are left out.
    Returns the path; raises DataError where it cannot be written.
    """
    shown = [i for i in range(len(batch["image"])) if batch["mask"][i]][:limit]
    return captioned_sheet(
        [np.asarray(batch["image"][i]) for i in shown],
        [[class_names[int(batch["label"][i])]] for i in shown],
        path,
    )


def captioned_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[Sequence[str]],
    path: str | Path,
    tile: int = TILE,
) -> Path:
    """Draws square images uint8 [S, S, C] as tiles of `tile` pixels, each above its caption.

    Of a line with commas (a class name with synonyms) the first part is written, as far as the tile
    is wide. Returns the path of the PNG; raises DataError where it cannot be written.
    """
    lines = max(map(len, captions), default=1)
    height = tile + lines * LINE + 4
    columns = max(1, math.ceil(math.sqrt(len(images))))
    rows = max(1, math.ceil(len(images) / columns))
    sheet = np.full((rows * height, columns * tile, 3), 255, np.uint8)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        top, left = place // columns * height, place % columns * tile
        sheet[top + 2 : top + tile - 2, left + 2 : left + tile - 2] = _thumbnail(image, tile - 4)
        for line, text in enumerate(caption):
            at = left + 3, top + tile + 11 + line * LINE
            _write(sheet, _fitting(text, tile - 6), at)
    if not cv2.imwrite(str(path), sheet):
        raise DataError(
            f"the contact sheet {path} cannot be written; check that its folder exists and is "
            "writable"
        )
    return Path(path)


def _thumbnail(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [S, S, C] -> [side, side, 3] in OpenCV's order of colours."""
    enlarged = max(image.shape[:2]) <= side  # the pixels of small images stay sharp
    how = cv2.INTER_NEAREST if enlarged else cv2.INTER_AREA
    resized = cv2.resize(image, (side, side), interpolation=how)
    grey = image.shape[2] == 1
    return cv2.cvtColor(resized, cv2.COLOR_GRAY2BGR if grey else cv2.COLOR_RGB2BGR)


def _fitting(text: str, width: int) -> str:
    """The part of `text` before a comma that fits into `width` pixels, in ASCII."""
    ascii_ = text.split(",")[0].encode("ascii", "replace").decode()
    return ascii_[: int(width / CHARACTER)]


def _write(sheet: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
