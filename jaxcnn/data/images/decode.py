"""Image bytes to uint8 pixels: JPEG, PNG, WebP; grey, RGB, CMYK, palettes, EXIF orientation; whole, or a region of it."""

from collections.abc import Callable

import cv2
import numpy as np

from jaxcnn.data.images import turbo
from jaxcnn.data.images.header import read_header
from jaxcnn.errors import DataError

cv2.setNumThreads(
    1
)  # images are decoded in as many threads as `data.threads` says; OpenCV's own would compete with them
cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # errors are raised here by the record's name, not printed

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
        raise DataError(
            f"{key} cannot be decoded ({' '.join(str(e).split())[:120]}); replace the file or remove it"
        ) from None
    if pixels is None:
        raise DataError(
            f"{key} is damaged: {len(image)} bytes that do not decode; replace the file or remove it"
        )
    if channels == 0 and pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels if pixels.ndim == 3 else pixels[..., None]  # [H, W, C]


def decode_region(
    image: bytes, cut: Callable[[tuple[int, int]], Box], channels: int, key: str = "the image"
) -> np.ndarray:
    """The box that `cut` chooses of the image's (height, width): `decode(image, channels)[top : top + height, left : left + width]`.

    Of a JPEG no more is decoded than the box needs. The pixels hold until this thread decodes its next region. Raises DataError as `decode` does.
    """
    found = read_header(image, key)
    box = cut(
        (found.width, found.height) if found.orientation >= 5 else (found.height, found.width)
    )
    top, left, height, width = box
    if found.kind == "jpeg" and found.orientation == 1 and found.components in (1, 3):
        region = turbo.decode_region(image, box, channels)
        if region is not None:
            return region
    return _decode(image, channels, key)[top : top + height, left : left + width]


def set_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [H, W, 1 or 3] -> [H, W, channels]: grey repeated, colour turned grey (ITU-R 601)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]
