"""Label maps: one class a pixel, cut exactly as the image that they belong to; uint8 throughout."""

import dataclasses
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.header import MAX_PIXELS
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, to_pixels, train_view
from jaxcnn.errors import DataError

VOID = 255  # a pixel that counts in no loss and no metric


def decode_map(label: bytes | np.ndarray, key: str) -> np.ndarray:
    """The classes of the pixels, uint8 [H, W], of an array or of a PNG, grey or with a palette.

    Of a palette the indices count, as in PASCAL VOC, and not its colours. Raises DataError, naming
    `key`.
    """
    if isinstance(label, np.ndarray):
        return label if label.ndim == 2 else label[..., 0]  # [H, W]
    try:
        with Image.open(io.BytesIO(label), formats=("PNG",)) as image:
            if image.mode not in ("L", "P", "1") or image.width * image.height > MAX_PIXELS:
                raise DataError(
                    f"the mask of {key} is a picture of mode {image.mode}, "
                    f"{image.width}x{image.height}; expected a PNG of 8 bits, grey or with a "
                    "palette, whose values are class numbers"
                )
            return np.asarray(image, np.uint8)  # [H, W]
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"the mask of {key} does not decode as a PNG ({error}); replace it or remove the image"
        ) from None


def eval_pair(
    image: bytes | np.ndarray,
    label: bytes | np.ndarray,
    preprocess: Preprocess,
    key: str = "the image",
    *,
    upright: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """(what `views.eval_view` makes of the image, the classes of its pixels uint8 [S, S]).

    Background is VOID. Raises DataError where one does not decode, or their sizes differ.
    """
    pixels, classes = _decoded(image, label, preprocess, key, upright=upright)
    view = eval_view(pixels, preprocess, key)
    return view, eval_view(classes, _of_map(preprocess), key, fill=VOID)[..., 0]  # [S, S]


def train_pair(
    image: bytes | np.ndarray,
    label: bytes | np.ndarray,
    data: Data,
    preprocess: Preprocess,
    rng: Callable[[], np.random.Generator],
    key: str = "the image",
    *,
    upright: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """(what `views.train_view` makes of the image, the classes of its pixels uint8 [S, S]).

    `rng()` starts the same random numbers anew, so that both get the same crop. Raises DataError
    as `eval_pair` does.
    """
    pixels, classes = _decoded(image, label, preprocess, key, upright=upright)
    view = train_view(pixels, data, preprocess, rng(), key)
    seen = train_view(classes, data, _of_map(preprocess), rng(), key, fill=VOID)
    return view, seen[..., 0]  # [S, S]


def _decoded(
    image: bytes | np.ndarray,
    label: bytes | np.ndarray,
    preprocess: Preprocess,
    key: str,
    *,
    upright: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 ([H, W, C], [H, W, 1])."""
    pixels = to_pixels(image, preprocess.channels, key, upright=upright)
    classes = decode_map(label, key)[..., None]  # [H, W, 1]
    if pixels.shape[:2] != classes.shape[:2]:
        raise DataError(
            f"{key} has {pixels.shape[1]}x{pixels.shape[0]} pixels and its mask "
            f"{classes.shape[1]}x{classes.shape[0]}; they must be of one size"
        )
    return pixels, classes


def _of_map(preprocess: Preprocess) -> Preprocess:
    """The same geometry for a map, whose classes must not be averaged."""
    return dataclasses.replace(preprocess.geometry, channels=1, interpolation="nearest_exact")
