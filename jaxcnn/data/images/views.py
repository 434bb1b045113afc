"""The host's views of an image: the one evaluation sees, and random crops for training.

Everything here ends at uint8.
"""

import cv2
import numpy as np
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images import decode
from jaxcnn.data.images.boxes import Box, central_square, random_area, random_scale
from jaxcnn.data.images.header import MAX_PIXELS
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import DataError

# Long side over short side above which evaluation resizes only the middle of a picture. The centre
# crop shows one short side of it, and a filter reaches few pixels further.
ELONGATED = 16

_CV2 = {
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST,
    "nearest_exact": cv2.INTER_NEAREST_EXACT,  # of label maps: half a pixel as Pillow's filters
}
_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def eval_view(
    image: bytes | np.ndarray,
    preprocess: Preprocess,
    key: str = "the image",
    *,
    upright: bool = True,
    fill: int = 0,
) -> np.ndarray:
    """The centre of the image as `preprocess` says, uint8 [S, S, C].

    The image is framed with a short side of `preprocess.resized`, the centre square of `inner` is
    cut out, and background of the value `fill` is put around it; sizes round as torchvision's. In
    the frame "whole" nothing is cut out. EXIF orientation is applied unless `upright` is False.
    Raises DataError, naming `key`, where it does not decode.
    """
    inner = preprocess.inner
    pixels = to_pixels(image, preprocess.channels, key, upright=upright)
    if preprocess.frame == "whole":
        pixels = whole(pixels, inner, preprocess.interpolation, fill)
        return add_background(pixels, preprocess.pad, fill)
    if preprocess.frame != "warp":
        pixels = middle(pixels)
    pixels = framed(pixels, preprocess.resized, preprocess, key)
    top, left = (round((side - inner) / 2) for side in pixels.shape[:2])
    pixels = pixels[top : top + inner, left : left + inner]  # [inner, inner, C]
    return add_background(pixels, preprocess.pad, fill)


def whole(pixels: np.ndarray, side: int, interpolation: str, fill: int = 0) -> np.ndarray:
    """The whole image in the upper left of a square: uint8 [H, W, C] -> [side, side, C].

    It keeps its pixels where it fits, else its long side becomes `side`; the rest is `fill`.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > side:
        scale = side / max(height, width)
        size = max(1, round(height * scale)), max(1, round(width * scale))
        pixels = resize(pixels, size, interpolation, smooth=True)
    canvas = np.full((side, side, pixels.shape[2]), fill, np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas


def middle(pixels: np.ndarray) -> np.ndarray:
    """The central part of a picture that is more than ELONGATED times as long as it is wide.

    A line of a million pixels fits into 1 kB and would become gigapixels. Both ends lose the same:
    uint8 [H, W, C] -> [H, about 16 H, C] or [about 16 W, W, C]. Other pictures stay as they are.
    """
    height, width = pixels.shape[:2]
    across = max(0, (width - ELONGATED * height) // 2)
    down = max(0, (height - ELONGATED * width) // 2)
    return pixels[down : height - down, across : width - across]


def framed(
    pixels: np.ndarray, short: int, preprocess: Preprocess, key: str = "the image"
) -> np.ndarray:
    """The whole image with a short side of `short` pixels, as `preprocess.frame` says.

    "rectangle": uint8 [H, W, C] with the image's shape. "square": the central square of that,
    [short, short, C]. "warp": the image squeezed into [short, short, C]. Crops are cut from it.
    """
    if preprocess.frame == "warp":
        return resize(pixels, (short, short), preprocess.interpolation, smooth=True)
    pixels = with_short_side(pixels, short, preprocess.interpolation, key)
    if preprocess.frame == "square":
        top, left, side, _ = central_square(pixels.shape[:2])
        pixels = pixels[top : top + side, left : left + side]  # [short, short, C]
    return pixels


def with_short_side(
    pixels: np.ndarray, short: int, interpolation: str, key: str = "the image"
) -> np.ndarray:
    """The image with a short side of `short` pixels, its shape kept up to torchvision's rounding.

    uint8 [H, W, C]. Raises DataError, naming `key`, where that has more than MAX_PIXELS.
    """
    height, width = pixels.shape[:2]
    if height < width:
        size = short, max(short, int(short * width / height))
    else:
        size = max(short, int(short * height / width)), short
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{key} has {height}x{width} pixels, too long for a short side of {short}; "
            "crop it or remove it"
        )
    return resize(pixels, size, interpolation, smooth=True)


def train_view(
    image: bytes | np.ndarray,
    data: Data,
    preprocess: Preprocess,
    rng: np.random.Generator,
    key: str = "the image",
    *,
    out: np.ndarray | None = None,
    upright: bool = True,
    fill: int = 0,
) -> np.ndarray:
    """A random view as `data.resize` or `data.area` says, uint8 [S, S, C].

    It is the evaluation view if neither is set. Background has the value `fill`. Fills and returns
    `out`. EXIF orientation is applied unless `upright` is False. Raises DataError, naming `key`,
    where it does not decode.
    """
    if out is None:
        out = np.empty(preprocess.shape, np.uint8)
    if not is_random(data):
        out[:] = eval_view(image, preprocess, key, upright=upright, fill=fill)
        return out
    inner, pad = preprocess.inner, preprocess.pad

    def cut(size: tuple[int, int]) -> Box:
        if data.area[1]:
            return random_area(size, data.area, data.aspect, rng)
        return random_scale(size, data.resize, inner, rng, frame=preprocess.frame)

    if isinstance(image, np.ndarray):
        top, left, height, width = cut(image.shape[:2])
        region = decode.set_channels(image, preprocess.channels)
        region = region[top : top + height, left : left + width]
    else:
        region = decode.decode_region(image, cut, preprocess.channels, key, upright=upright)
    if pad or region.shape == out.shape:
        out[:] = add_background(resize(region, (inner, inner), preprocess.interpolation), pad, fill)
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
            f"data.resize={data.resize} makes short sides below the {preprocess.inner} pixels that "
            "are cut out; raise its lower end"
        )


def resize(
    pixels: np.ndarray, size: tuple[int, int], interpolation: str, *, smooth: bool = False
) -> np.ndarray:
    """uint8 [H, W, C] -> [height, width, C], `size` being (height, width).

    With `smooth`, "bilinear" and "bicubic" average over all pixels that one new pixel covers when
    they shrink an image: Pillow's way and torchvision's, so that published weights see what they
    were evaluated on. Without, they interpolate between 2 or 4 neighbours, TensorFlow's way, ten
    times as fast. "area" averages in either case.
    """
    if pixels.shape[:2] == size:
        return pixels
    if smooth and interpolation in _PILLOW:
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        resized = np.asarray(image.resize((size[1], size[0]), _PILLOW[interpolation]))
    else:
        resized = cv2.resize(pixels, (size[1], size[0]), interpolation=_CV2[interpolation])
    return resized if resized.ndim == 3 else resized[..., None]  # [height, width, C]


def to_pixels(
    image: bytes | np.ndarray, channels: int, key: str, *, upright: bool = True
) -> np.ndarray:
    """The whole image, decoded if need be: uint8 [H, W, channels].

    EXIF orientation is applied unless `upright` is False. Raises DataError, naming `key`, where it
    does not decode.
    """
    if isinstance(image, np.ndarray):
        return decode.set_channels(image, channels)
    return decode.decode(image, channels, key, upright=upright)


def add_background(pixels: np.ndarray, pad: int, fill: int = 0) -> np.ndarray:
    """`pad` pixels added on every side, black or `fill`: [H, W, C] -> [H + 2 pad, W + 2 pad, C]."""
    if not pad:
        return pixels
    height, width, channels = pixels.shape
    # np.pad would take 100 us.
    padded = np.full((height + 2 * pad, width + 2 * pad, channels), fill, np.uint8)
    padded[pad:-pad, pad:-pad] = pixels
    return padded
