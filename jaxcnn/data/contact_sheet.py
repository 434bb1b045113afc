"""A batch at a glance: thumbnails with their class names, without a plotting library."""

import math
from pathlib import Path

import cv2
import numpy as np

from jaxcnn.data.errors import DataError

TILE, CAPTION = 128, 18  # pixels


def contact_sheet(batch: dict[str, np.ndarray], class_names: list[str], path: str | Path, limit: int = 64) -> Path:
    """Draws the first `limit` images (uint8 [B, S, S, C]) of `batch` with mask 1 as a PNG, each above its class name; returns the path."""
    shown = [i for i in range(len(batch["image"])) if batch["mask"][i]][:limit]
    columns = max(1, math.ceil(math.sqrt(len(shown))))
    rows = max(1, math.ceil(len(shown) / columns))
    sheet = np.full((rows * (TILE + CAPTION), columns * TILE, 3), 255, np.uint8)
    for place, i in enumerate(shown):
        top, left = place // columns * (TILE + CAPTION), place % columns * TILE
        image = np.asarray(batch["image"][i])
        small = max(image.shape[:2]) <= TILE  # pixels of small images stay sharp
        tile = cv2.resize(image, (TILE - 4, TILE - 4), interpolation=cv2.INTER_NEAREST if small else cv2.INTER_AREA)
        tile = cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR)
        sheet[top + 2 : top + TILE - 2, left + 2 : left + TILE - 2] = tile
        name = class_names[int(batch["label"][i])].split(",")[0].encode("ascii", "replace").decode()
        cv2.putText(sheet, name[:20], (left + 3, top + TILE + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    if not cv2.imwrite(str(path), sheet):
        raise DataError(f"the contact sheet {path} cannot be written; check that its folder exists and is writable")
    return Path(path)
