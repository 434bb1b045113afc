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
    """Draws the first `limit` images (uint8 [B, S, S, C]) of `batch` with mask 1 as a PNG, each above its class name; returns the path."""
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
    """Draws square images (uint8 [S, S, C]) as tiles of `tile` pixels, each above the lines of its caption, as a PNG; returns the path.

    Of a class name with synonyms the first is written, as far as the tile is wide. Raises DataError where the file cannot be written.
    """
    lines = max(map(len, captions), default=1)
    height = tile + lines * LINE + 4
    columns = max(1, math.ceil(math.sqrt(len(images))))
    rows = max(1, math.ceil(len(images) / columns))
    sheet = np.full((rows * height, columns * tile, 3), 255, np.uint8)
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        top, left = place // columns * height, place % columns * tile
        small = max(image.shape[:2]) <= tile  # pixels of small images stay sharp
        drawn = cv2.resize(
            image,
            (tile - 4, tile - 4),
            interpolation=cv2.INTER_NEAREST if small else cv2.INTER_AREA,
        )
        drawn = cv2.cvtColor(
            drawn, cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR
        )
        sheet[top + 2 : top + tile - 2, left + 2 : left + tile - 2] = drawn
        for line, text in enumerate(caption):
            text = (
                text.split(",")[0]
                .encode("ascii", "replace")
                .decode()[: int((tile - 6) / CHARACTER)]
            )
            at = left + 3, top + tile + 11 + line * LINE
            cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    if not cv2.imwrite(str(path), sheet):
        raise DataError(
            f"the contact sheet {path} cannot be written; check that its folder exists and is writable"
        )
    return Path(path)
