"""The host's views of an image: the one evaluation sees, and random crops for training. Everything here ends at uint8."""

import math

import cv2
import numpy as np
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images import decode
from jaxcnn.data.images.decode import Box
from jaxcnn.data.images.header import MAX_PIXELS
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import DataError

_CV2 = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
}
_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def eval_view(
    image: bytes | np.ndarray, preprocess: Preprocess, key: str = "the image"
) -> np.ndarray:
    """Short side to `preprocess.resized`, centre square of `inner`, background around it, as torchvision rounds: uint8 [S, S, C]."""
    inner = preprocess.inner
    pixels = with_short_side(
        to_pixels(image, preprocess.channels, key),
        preprocess.resized,
        preprocess.interpolation,
        key,
    )
    top, left = (round((side - inner) / 2) for side in pixels.shape[:2])
    return add_background(pixels[top : top + inner, left : left + inner], preprocess.pad)


def with_short_side(
    pixels: np.ndarray, short: int, interpolation: str, key: str = "the image"
) -> np.ndarray:
    """The image with a short side of `short` pixels, its shape kept up to torchvision's rounding: uint8 [H, W, C].

    Raises DataError, naming `key`, where that has more than MAX_PIXELS: a line of a million pixels fits into 1 kB.
    """
    height, width = pixels.shape[:2]
    if height < width:
        size = short, max(short, int(short * width / height))
    else:
        size = max(short, int(short * height / width)), short
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{key} has {height}x{width} pixels, too long for a short side of {short}; crop it or remove it"
        )
    return resize(pixels, size, interpolation, smooth=True)


def train_view(
    image: bytes | np.ndarray,
    data: Data,
    preprocess: Preprocess,
    rng: np.random.Generator,
    key: str = "the image",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A random view as `data.resize` or `data.area` says, uint8 [S, S, C]; the evaluation view if neither is set. Fills and returns `out`."""
    if out is None:
        out = np.empty(preprocess.shape, np.uint8)
    if not is_random(data):
        out[:] = eval_view(image, preprocess, key)
        return out
    inner, pad = preprocess.inner, preprocess.pad

    def cut(size: tuple[int, int]) -> Box:
        return (
            random_area(size, data.area, data.aspect, rng)
            if data.area[1]
            else random_scale(size, data.resize, inner, rng)
        )

    if isinstance(image, np.ndarray):
        top, left, height, width = cut(image.shape[:2])
        region = decode.set_channels(image, preprocess.channels)[
            top : top + height, left : left + width
        ]
    else:
        region = decode.decode_region(image, cut, preprocess.channels, key)
    if pad or region.shape == out.shape:
        out[:] = add_background(resize(region, (inner, inner), preprocess.interpolation), pad)
    else:
        cv2.resize(region, (inner, inner), dst=out, interpolation=_CV2[preprocess.interpolation])
    return out


def is_random(data: Data) -> bool:
    """Whether training sees random crops, which only the host makes."""
    return bool(data.resize[1] or data.area[1])


def check_crops(data: Data, preprocess: Preprocess) -> None:
    """Raises DataError if a crop can be larger than the image it is cut from."""
    if data.resize[1] and data.resize[0] < preprocess.inner:
        raise DataError(
            f"data.resize={data.resize} makes short sides below the {preprocess.inner} pixels that are cut out; raise its lower end"
        )


def random_scale(
    size: tuple[int, int], resize: tuple[int, int], inner: int, rng: np.random.Generator
) -> Box:
    """The box that resizing the short side to a whole number in [lo, hi] and cutting out a random square of `inner` takes (VGG section 3.1)."""
    height, width = size
    short = _integer(rng, resize[0], resize[1])
    side = min(max(1, round(min(size) * inner / short)), height, width)
    return _integer(rng, 0, height - side), _integer(rng, 0, width - side), side, side


def random_area(
    size: tuple[int, int],
    area: tuple[float, float],
    aspect: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """A box of a share of the image's area in `area` and a width / height in `aspect`, log-uniform (GoogLeNet section 6).

    What does not fit is drawn anew, ten times; then the largest centred box of an allowed shape is taken.
    """
    height, width = size
    low, high = math.log(aspect[0]), math.log(aspect[1])
    for _ in range(10):
        target = (area[0] + (area[1] - area[0]) * rng.random()) * height * width
        shape = math.exp(low + (high - low) * rng.random())
        w, h = round(math.sqrt(target * shape)), round(math.sqrt(target / shape))
        if 0 < w <= width and 0 < h <= height:
            return _integer(rng, 0, height - h), _integer(rng, 0, width - w), h, w
    shape = min(max(width / height, aspect[0]), aspect[1])
    w, h = max(1, min(width, round(height * shape))), max(1, min(height, round(width / shape)))
    return (height - h) // 2, (width - w) // 2, h, w


def resize(
    pixels: np.ndarray, size: tuple[int, int], interpolation: str, *, smooth: bool = False
) -> np.ndarray:
    """uint8 [H, W, C] -> [height, width, C].

    With `smooth`, "bilinear" and "bicubic" average over all pixels that one new pixel covers when they shrink an image: Pillow's way and
    torchvision's, so published weights see what they were evaluated on. Without, they interpolate between 2 or 4 neighbours, TensorFlow's
    way, ten times as fast. "area" averages in either case.
    """
    if pixels.shape[:2] == size:
        return pixels
    if smooth and interpolation in _PILLOW:
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        resized = np.asarray(image.resize((size[1], size[0]), _PILLOW[interpolation]))
    else:
        resized = cv2.resize(pixels, (size[1], size[0]), interpolation=_CV2[interpolation])
    return resized if resized.ndim == 3 else resized[..., None]


def _integer(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number in [low, high], from one double: the same under every NumPy."""
    return low + int(rng.random() * (high - low + 1))


def to_pixels(image: bytes | np.ndarray, channels: int, key: str) -> np.ndarray:
    """The whole image, decoded if need be: uint8 [H, W, channels]; raises DataError, naming `key`, where it does not decode."""
    if isinstance(image, np.ndarray):
        return decode.set_channels(image, channels)
    return decode.decode(image, channels, key)


def add_background(pixels: np.ndarray, pad: int) -> np.ndarray:
    """`pad` black pixels added on every side."""
    if not pad:
        return pixels
    height, width, channels = pixels.shape
    padded = np.zeros(
        (height + 2 * pad, width + 2 * pad, channels), np.uint8
    )  # np.pad takes 100 us
    padded[pad:-pad, pad:-pad] = pixels
    return padded
