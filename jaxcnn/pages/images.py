"""Small pictures as text that a page carries inside itself."""

import base64

import cv2
import numpy as np

JPEG_QUALITY = 82
HEAT = np.array([235, 94, 40], np.float32)  # the colour of class maps, RGB


def data_uri(image: np.ndarray, *, side: int = 0, kind: str = "jpeg") -> str:
    """An image uint8 [H, W, 1, 3 or 4 (opacity)] as a data URI.

    Its longer side is brought to `side` pixels, 0 leaves it. Images that grow keep pixels sharp.
    """
    height, width = image.shape[:2]
    scale = side / max(height, width) if side else 1.0
    if scale != 1.0:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_NEAREST if scale > 1 else cv2.INTER_AREA
        image = np.atleast_3d(cv2.resize(image, size, interpolation=how))
    to_opencv = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    colour = image.shape[2] > 1
    shown = cv2.cvtColor(image, to_opencv[image.shape[2]]) if colour else image
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == "jpeg" else []
    _, encoded = cv2.imencode(f".{'jpg' if kind == 'jpeg' else 'png'}", shown, options)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def as_colour(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 1 or 3] -> [H, W, 3]."""
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image  # [H, W, 3]


def with_heat(image: np.ndarray, heat: np.ndarray, top: float, *, side: int = 160) -> np.ndarray:
    """An image uint8 [S, S, C] under its map [h, w]: uint8 [side, side, 3].

    The map is drawn in one colour whose opacity goes from nothing at 0 to its most at `top`; what
    lies below 0 is not drawn. The image is nearly grey, so that the colour is seen on photographs.
    """
    size = side, side
    how = cv2.INTER_NEAREST if image.shape[0] < side else cv2.INTER_AREA
    below = as_colour(np.atleast_3d(cv2.resize(image, size, interpolation=how)))  # [side, side, 3]
    spread = cv2.resize(np.asarray(heat, np.float32), size, interpolation=cv2.INTER_LINEAR)
    share = np.clip(spread / top, 0, 1) if top > 0 else np.zeros_like(spread)
    grey = cv2.cvtColor(below, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    paled = 0.2 * below + 0.8 * grey
    opacity = 0.85 * share[..., None]
    return np.round(paled * (1 - opacity) + HEAT * opacity).astype(np.uint8)
