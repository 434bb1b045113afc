"""From whatever holds images, files, Pillow's images or arrays, to the network's input."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.errors import DataError

GREY = ("1", "L", "LA", "I", "I;16", "F")  # Pillow's modes without colour


def transform(images: Any, preprocess: Preprocess) -> np.ndarray:
    """The network's input of one image or of several: float32 [N, S, S, C].

    Args:
      images: the path of a JPEG, PNG or WebP file, its bytes, an image of Pillow, pixels uint8
        [H, W], [H, W, 1 or 3] or [N, H, W, 1 or 3], or a sequence of these.
      preprocess: what evaluation does to images before the network sees them.

    Raises DataError for a file that is missing or does not decode, and for an array of another
    type or shape.

    Examples:
      >>> import numpy as np
      >>> from jaxcnn.data import Preprocess, transform
      >>> preprocess = Preprocess(image_size=32, mean=(127.5,) * 3, std=(127.5,) * 3)
      >>> transform(np.zeros((48, 64, 3), np.uint8), preprocess).shape
      (1, 32, 32, 3)
      >>> float(transform([np.full((40, 40), 255, np.uint8)], preprocess).max())
      1.0
    """
    views = [eval_view(pixels, preprocess, key) for pixels, key in _each(images)]
    if not views:
        raise DataError("no image was given; give paths, Pillow's images or arrays")
    return np.asarray(preprocess.normalise(np.stack(views)))  # [N, S, S, C]


def _each(images: Any, key: str = "the image") -> Iterator[tuple[bytes | np.ndarray, str]]:
    """(encoded bytes or pixels uint8 [H, W, C], what errors call it) of every image."""
    if isinstance(images, str | os.PathLike):
        yield read_file(Path(images)), str(images)
    elif isinstance(images, bytes):
        yield images, key
    elif isinstance(images, Image.Image):
        upright = ImageOps.exif_transpose(images)
        pixels = np.asarray(upright.convert("L" if upright.mode in GREY else "RGB"))
        yield np.atleast_3d(pixels), key  # [H, W, C]
    elif isinstance(images, list | tuple):
        for number, image in enumerate(images):
            yield from _each(image, f"image {number}")
    else:
        yield from _of_array(np.asarray(images), key)


def read_file(path: Path) -> bytes:
    """The bytes of an image file that a user names; raises DataError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}; give the path of a JPEG, PNG or WebP file"
        ) from None


def _of_array(array: np.ndarray, key: str) -> Iterator[tuple[np.ndarray, str]]:
    """The images of an array [H, W], [H, W, C] or [N, H, W, C]; raises DataError for another."""
    if array.ndim == 2:
        array = array[..., None]  # [H, W, 1]
    fits = array.ndim in (3, 4) and array.shape[-1] in (1, 3) and array.size
    if array.dtype != np.uint8 or not fits:
        raise DataError(
            f"{key} is an array {array.dtype} {list(array.shape)}; expected pixels of 0 to 255, "
            "uint8 [H, W], [H, W, 1 or 3] or [N, H, W, 1 or 3]"
        )
    if array.ndim == 3:
        yield array, key
    else:
        yield from ((image, f"image {number}") for number, image in enumerate(array))
