"""Image bytes to uint8 pixels: JPEG, PNG, WebP; grey, RGB, CMYK, palettes, EXIF orientation; whole, or a region of it."""

import cv2
import numpy as np

from jaxcnn.data.errors import DataError
from jaxcnn.data.header import read_header

cv2.setNumThreads(1)  # images are decoded in as many threads as `data.threads` says; OpenCV's own would compete with them
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors are raised here by the record's name, not printed

_FLAGS = {0: cv2.IMREAD_ANYCOLOR, 1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}
Box = tuple[int, int, int, int]  # top, left, height, width in upright pixels


def decode(image: bytes, channels: int = 0, key: str = "the image") -> np.ndarray:
    """The upright image, uint8 [H, W, C]: grey for `channels` 1 (ITU-R 601), RGB for 3, its own for 0.

    Raises DataError, naming `key`, for an image that is corrupt, cut short, of another format or absurdly large.
    """
    read_header(image, key)
    return _decode(image, channels, key)


def _decode(image: bytes, channels: int, key: str) -> np.ndarray:
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), _FLAGS[channels])
    except cv2.error as e:
        raise DataError(f"{key} cannot be decoded ({' '.join(str(e).split())[:120]}); replace the file or remove it") from None
    if pixels is None:
        raise DataError(f"{key} is damaged: {len(image)} bytes that do not decode; replace the file or remove it")
    if channels == 0 and pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels if pixels.ndim == 3 else pixels[..., None]  # [H, W, C]


def upright_size(image: bytes | np.ndarray, key: str = "the image") -> tuple[int, int]:
    """(height, width) that `decode` will return, without decoding."""
    if isinstance(image, np.ndarray):
        return image.shape[0], image.shape[1]
    found = read_header(image, key)
    return (found.width, found.height) if found.orientation >= 5 else (found.height, found.width)


def decode_region(image: bytes, box: Box, channels: int, key: str = "the image") -> np.ndarray:
    """`decode(image, channels)[top : top + height, left : left + width]`, decoding no more than needed where the format allows."""
    top, left, height, width = box
    return _decode(image, channels, key)[top : top + height, left : left + width]


def set_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [H, W, 1 or 3] -> [H, W, channels]: grey repeated, colour turned grey (ITU-R 601)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]
