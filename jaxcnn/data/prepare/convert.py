"""What becomes of each image when a dataset is prepared: copied, or shrunk to a JPEG."""

from typing import NamedTuple

import cv2

from jaxcnn.data.images.decode import decode
from jaxcnn.errors import DataError


class Options(NamedTuple):
    """What is done to each image; with `short_side` 0 the files are copied byte for byte."""

    short_side: int = 0  # larger images are shrunk to this
    quality: int = 90  # of the JPEGs that shrunk images become
    threads: int = 0
    upright: bool = True  # shrunk images are turned as EXIF says; see `Source.upright`


def convert_image(image: bytes, key: str, options: Options) -> bytes:
    """The file as it is if it is small enough, else a JPEG with the given short side.

    Raises DataError, naming `key`, if it does not decode.
    """
    pixels = decode(image, 0, key, upright=options.upright)
    short = min(pixels.shape[:2])
    if not options.short_side or short <= options.short_side:
        return image
    scale = options.short_side / short
    size = tuple(max(options.short_side, round(n * scale)) for n in pixels.shape[1::-1])
    shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # [H', W', 3] or [H', W']
    shrunk = cv2.cvtColor(shrunk, cv2.COLOR_RGB2BGR) if shrunk.ndim == 3 else shrunk
    ok, jpeg = cv2.imencode(".jpg", shrunk, [cv2.IMWRITE_JPEG_QUALITY, options.quality])
    if not ok:
        raise DataError(f"{key} cannot be written as a JPEG of {size[1]}x{size[0]} pixels")
    return jpeg.tobytes()
