"""Image bytes to uint8 pixels: JPEG, PNG, WebP; whole, or a region; upright, or as stored.

Grey, RGB, CMYK, palettes, alpha and 16 bits are read; the orientation that EXIF names is applied
here, whatever the decoder, so that it is the same for every format.
"""

from collections.abc import Callable

import cv2
import numpy as np

from jaxcnn.data.images import turbo
from jaxcnn.data.images.boxes import Box
from jaxcnn.data.images.containers import png_pixels
from jaxcnn.data.images.header import Header, read_header
from jaxcnn.errors import DataError, one_line

# Images are decoded in as many threads as `data.threads` says; OpenCV's own would compete.
cv2.setNumThreads(1)
# Errors are raised here by the record's name, not printed.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_FLAGS = {0: cv2.IMREAD_ANYCOLOR, 1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}


def decode(
    image: bytes,
    channels: int = 0,
    key: str = "the image",
    *,
    upright: bool = True,
    use_turbo: bool = True,
) -> np.ndarray:
    """The image, uint8 [H, W, C]: grey for `channels` 1 (ITU-R 601), RGB for 3, its own for 0.

    It is turned as EXIF says unless `upright` is False. Without `use_turbo` OpenCV decodes JPEGs
    too: the same pixels. Raises DataError, naming `key`, for an image that is corrupt, cut short,
    of another format or absurdly large.
    """
    found = read_header(image, key)
    pixels = _stored(image, found, channels, key, use_turbo=use_turbo)
    return turn(pixels, found.orientation) if upright else pixels


def decode_region(
    image: bytes,
    cut: Callable[[tuple[int, int]], Box],
    channels: int,
    key: str = "the image",
    *,
    upright: bool = True,
    use_turbo: bool = True,
) -> np.ndarray:
    """The box that `cut` chooses for the (height, width) of what `decode` returns.

    The result is `decode(image, channels)[top : top + height, left : left + width]`. Of an upright
    JPEG no more is decoded than the box needs. The pixels hold until this thread decodes its next
    region. Raises DataError as `decode` does.
    """
    found = read_header(image, key)
    if not upright:
        found = found._replace(orientation=1)
    box = cut(found.upright)
    if use_turbo and found.orientation == 1 and _suits_turbo(found):
        region = turbo.decode_region(image, box, channels)
        if region is not None:
            return region
    pixels = turn(_stored(image, found, channels, key, use_turbo=use_turbo), found.orientation)
    top, left, height, width = box
    return pixels[top : top + height, left : left + width]  # [height, width, C]


def _suits_turbo(found: Header) -> bool:
    """Whether it is a JPEG whose colours libjpeg-turbo converts: not one in CMYK."""
    return found.kind == "jpeg" and found.components in (1, 3)


def _stored(image: bytes, found: Header, channels: int, key: str, *, use_turbo: bool) -> np.ndarray:
    """The pixels in the orientation in which they are stored, uint8 [H, W, C]."""
    if use_turbo and _suits_turbo(found):
        pixels = turbo.decode(image, channels or found.components)
        if pixels is not None:
            return pixels
    if found.kind == "png":
        image = png_pixels(image, key)
    flags = _FLAGS[channels] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), flags)
    except cv2.error as error:
        raise DataError(
            f"{key} cannot be decoded ({one_line(error, 120)}); replace the file or remove it"
        ) from None
    if pixels is None:
        raise DataError(
            f"{key} is damaged: {len(image)} bytes that do not decode; "
            "replace the file or remove it"
        )
    if channels == 0 and pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels if pixels.ndim == 3 else pixels[..., None]  # [H, W, C]


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels [H, W, C] turned upright, contiguous: [W, H, C] for orientations 5 to 8.

    Orientation 1 is upright, 2 mirrored, 3 and 4 the same upside down; 5 to 8 are these with rows
    and columns exchanged (EXIF 2.3, tag 274).
    """
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)  # [W, H, C]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def set_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [H, W, 1 or 3] -> [H, W, channels]: grey repeated, colour turned grey (ITU-R 601)."""
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)  # [H, W, 3]
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]  # [H, W, 1]
