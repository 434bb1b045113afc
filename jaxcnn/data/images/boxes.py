"""Where crops lie in an image: arithmetic on sizes, without pixels."""

import math

import numpy as np

Box = tuple[int, int, int, int]  # top, left, height, width


def central_square(size: tuple[int, int]) -> Box:
    """The largest square in the middle of an image of (height, width), rounded as torchvision's."""
    side = min(size)
    top, left = (round((length - side) / 2) for length in size)
    return top, left, side, side


def random_scale(
    size: tuple[int, int],
    resize: tuple[int, int],
    inner: int,
    rng: np.random.Generator,
    *,
    frame: str = "rectangle",
) -> Box:
    """The box of an image of (height, width) that resizing it and cutting out `inner` pixels shows.

    The short side after resizing is a whole number drawn from `resize`. What is resized, and where
    the square of `inner` pixels may lie in it, is said by `frame`: the whole "rectangle" (VGG
    section 3.1), its central "square" (AlexNet section 2), or the whole, squeezed into a square of
    that side ("warp", Caffe's ImageNet guide), so that the box has the image's aspect.
    """
    top, left, (height, width) = 0, 0, size
    if frame == "square":
        top, left, height, width = central_square(size)
    short = _integer(rng, resize[0], resize[1])
    if frame == "warp":
        h, w = (min(max(1, round(side * inner / short)), side) for side in size)
    else:
        h = w = min(max(1, round(min(size) * inner / short)), height, width)
    return top + _integer(rng, 0, height - h), left + _integer(rng, 0, width - w), h, w


def random_area(
    size: tuple[int, int],
    area: tuple[float, float],
    aspect: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """A box of an image of (height, width), of random area and aspect (GoogLeNet section 6).

    Its share of the area is uniform in `area`, its width / height log-uniform in `aspect`. What
    does not fit is drawn anew, ten times; then the largest centred box of an allowed shape is
    taken.
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
    w = max(1, min(width, round(height * shape)))
    h = max(1, min(height, round(width / shape)))
    return (height - h) // 2, (width - w) // 2, h, w


def _integer(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number in [low, high], from one double: the same under every NumPy."""
    return low + int(rng.random() * (high - low + 1))
