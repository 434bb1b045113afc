"""Evaluation protocols: which views of an image a network is shown before averaging.

A protocol is a list of scales (short sides in pixels) and a function that cuts the views out of the
image at each of them. This is host work on uint8 pixels; mirror images and averages are left to the
device (scoring.py). The papers' sizes are multiples of 32 = 224 / 7 pixels: a network that sees
another size gets the same multiples of a seventh of it.
"""

import dataclasses
import re
from collections.abc import Callable

import numpy as np

from jaxcnn.data.images.decode import Box
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import (
    add_background,
    eval_view,
    framed,
    middle,
    resize,
    with_short_side,
)
from jaxcnn.errors import ConfigError

# (pixels [H, W, C], scale, preprocess) -> views
Cut = Callable[[np.ndarray, int, Preprocess], list[np.ndarray]]

GOOGLENET_SEVENTHS = (8, 9, 10, 11)  # 256, 288, 320, 352 of 224 pixels
ALEXNET_SEVENTHS = 8  # 256 of 224 pixels
# Whole images take an aspect ratio of k / 12: 1:1, 5:4, 4:3 and 3:2 stay exact, and no other
# changes by more than 1/24. Of an image more elongated than 3:1 the middle is shown. So there are
# at most 2 * 12 * (3 - 1) + 1 = 49 shapes a scale.
SHAPES, LONGEST = 12, 3
LARGEST = 4096  # pixels


@dataclasses.dataclass(frozen=True)
class Protocol:
    """`cut` gives `each` views at every one of the `scales`.

    With `mirrored` each view is also shown mirrored; with `dense` the network gives a class map.
    """

    name: str
    scales: tuple[int, ...]
    cut: Cut
    each: int
    mirrored: bool = True
    dense: bool = False

    @property
    def views(self) -> int:
        """Network inputs for one image, mirror images included."""
        return len(self.scales) * self.each * (2 if self.mirrored else 1)

    def host_views(self, pixels: np.ndarray, preprocess: Preprocess) -> list[np.ndarray]:
        """All views of an image uint8 [H, W, C] but the mirror images: uint8 [S, S, C] each.

        With `dense` these are whole images, [h, w, C].
        """
        return [view for scale in self.scales for view in self.cut(pixels, scale, preprocess)]


def five(box: Box, side: int) -> list[Box]:
    """Squares of `side` pixels in the corners of `box` and in its centre.

    The order is top left, top right, bottom left, bottom right, centre.
    """
    top, left, height, width = box
    down, across = height - side, width - side
    places = ((0, 0), (0, across), (down, 0), (down, across), (round(down / 2), round(across / 2)))
    return [(top + y, left + x, side, side) for y, x in places]


def squares(height: int, width: int) -> list[Box]:
    """The largest squares at both ends and in the middle of an image (GoogLeNet section 7).

    They are left, centre, right, or top, centre, bottom of an upright image.
    """
    side, spare = min(height, width), abs(height - width)
    offsets = (0, round(spare / 2), spare)
    return [(0, at, side, side) if height <= width else (at, 0, side, side) for at in offsets]


def grid(height: int, width: int, side: int, lines: int = 5) -> list[Box]:
    """Squares of `side` pixels on a grid from edge to edge, row by row (VGG section 3.2).

    The grid is regular and has `lines` x `lines` places.
    """
    down, across = (
        [round(i * (length - side) / (lines - 1)) for i in range(lines)]
        for length in (height, width)
    )
    return [(y, x, side, side) for y in down for x in across]


def _cut(pixels: np.ndarray, box: Box) -> np.ndarray:
    top, left, height, width = box
    return pixels[top : top + height, left : left + width]


def center(pixels: np.ndarray, scale: int, preprocess: Preprocess) -> list[np.ndarray]:
    """The one view that the checkpoint's preprocessing describes; its scale is fixed there."""
    del scale
    return [eval_view(pixels, preprocess)]


def ten_crop(pixels: np.ndarray, scale: int, preprocess: Preprocess) -> list[np.ndarray]:
    """Corners and centre of the central square at short side `scale` (AlexNet sections 2, 4.1)."""
    pixels = framed(middle(pixels), scale, preprocess)
    centre = squares(*pixels.shape[:2])[1]
    return [
        add_background(_cut(pixels, box), preprocess.pad) for box in five(centre, preprocess.inner)
    ]


def googlenet_crops(pixels: np.ndarray, scale: int, preprocess: Preprocess) -> list[np.ndarray]:
    """Of each of the three squares: corners, centre, and itself, resized (GoogLeNet section 7)."""
    inner = preprocess.inner
    pixels = with_short_side(middle(pixels), scale, preprocess.interpolation)
    views = []
    for square in squares(*pixels.shape[:2]):
        views += [_cut(pixels, box) for box in five(square, inner)]
        inside = np.ascontiguousarray(_cut(pixels, square))
        views.append(resize(inside, (inner, inner), preprocess.interpolation, smooth=True))
    return [add_background(view, preprocess.pad) for view in views]


def grid_crops(pixels: np.ndarray, scale: int, preprocess: Preprocess) -> list[np.ndarray]:
    """5 x 5 crops of the whole image at short side `scale` (VGG section 3.2)."""
    pixels = with_short_side(middle(pixels), scale, preprocess.interpolation)
    height, width = pixels.shape[:2]
    return [
        add_background(_cut(pixels, box), preprocess.pad)
        for box in grid(height, width, preprocess.inner)
    ]


def whole(pixels: np.ndarray, scale: int, preprocess: Preprocess) -> list[np.ndarray]:
    """The whole image at short side `scale`, its long side rounded; see SHAPES and LONGEST."""
    height, width = pixels.shape[:2]
    short, long = min(height, width), min(max(height, width), LONGEST * min(height, width))
    spare = max(height, width) - long
    box = (0, spare // 2, short, long) if width > height else (spare // 2, 0, long, short)
    stretched = round(scale * round(long / short * SHAPES) / SHAPES)
    size = (scale, stretched) if width > height else (stretched, scale)
    middle = np.ascontiguousarray(_cut(pixels, box))
    resized = resize(middle, size, preprocess.interpolation, smooth=True)
    return [add_background(resized, preprocess.pad)]


def crop_scale(preprocess: Preprocess) -> int:
    """Short side of the image that crops are cut from: that of the checkpoint.

    Where the checkpoint's crop is the whole image, it is AlexNet's 8/7 of the crop.
    """
    if preprocess.crop_fraction < 1:
        return preprocess.resized
    return round(preprocess.inner * ALEXNET_SEVENTHS / 7)


def three_scales(preprocess: Preprocess, trained: tuple[int, int] = (0, 0)) -> tuple[int, int, int]:
    """VGG's three test scales (section 4.2).

    They are {S - 32, S, S + 32} for a fixed training scale S, and {low, middle, high} for one drawn
    from `trained`. Without `trained`, S is the scale of the checkpoint's crops. No scale lies below
    the crop, the least that every network takes.
    """
    low, high = trained
    if low < high:
        return low, round((low + high) / 2), high
    scale, apart = high or crop_scale(preprocess), round(preprocess.inner / 7)
    return max(preprocess.inner, scale - apart), scale, scale + apart


_CUTS: dict[str, tuple[Cut, int]] = {
    "center": (center, 1),
    "ten_crop": (ten_crop, 5),
    "multi_crop:144": (googlenet_crops, 18),
    "multi_crop:150": (grid_crops, 25),
    "dense": (whole, 1),
}
_ALIASES = {
    "multi_crop": "multi_crop:144",
    "multi_crop:googlenet": "multi_crop:144",
    "multi_crop:vgg": "multi_crop:150",
    "multi_scale": "multi_scale:dense",
}
NAMES = (
    "center, ten_crop, multi_crop:144 (GoogLeNet), multi_crop:150 (VGG), dense, multi_scale, "
    "multi_scale:ten_crop"
)


def make_protocol(text: str, preprocess: Preprocess, trained: tuple[int, int] = (0, 0)) -> Protocol:
    """The protocol that `text` names, for networks that see images as `preprocess` says.

    `text` is NAME, or NAME@Q or NAME@Q,Q,... with other short sides in pixels than the protocol's
    own. `trained` is the range of short sides in training. Raises ConfigError with one sentence.
    """
    name, at, numbers = text.strip().partition("@")
    name = _ALIASES.get(name, name)
    base = name.removeprefix("multi_scale:")
    if base not in _CUTS or (base != name and base not in ("dense", "ten_crop")):
        raise ConfigError(
            f"there is no protocol {text!r}; there are {NAMES}, all but center also as "
            "NAME@SHORT_SIDE,SHORT_SIDE"
        )
    cut, each = _CUTS[base]
    own = _own_scales(name, preprocess, trained)
    scales = _given(text, numbers) if at else own
    if at and base == "center":
        raise ConfigError(
            f"protocol {text!r} sets a scale, but the centre crop is the checkpoint's own; use "
            "ten_crop or dense with a scale"
        )
    if base.startswith("multi_crop") and len(scales) != len(own):
        raise ConfigError(
            f"protocol {text!r} gives {len(scales)} scales; {name} has {len(own)}, such as "
            f"{','.join(map(str, own))}"
        )
    if cut is not whole and min(scales) < preprocess.inner:
        raise ConfigError(
            f"protocol {text!r} cuts squares of {preprocess.inner} pixels from images of "
            f"{min(scales)}; give larger scales"
        )
    return Protocol(
        name=text.strip(),
        scales=scales,
        cut=cut,
        each=each,
        mirrored=base != "center",
        dense=base == "dense",
    )


def _own_scales(name: str, preprocess: Preprocess, trained: tuple[int, int]) -> tuple[int, ...]:
    if name == "multi_crop:144":
        return tuple(round(preprocess.inner * k / 7) for k in GOOGLENET_SEVENTHS)
    if name == "multi_crop:150" or name.startswith("multi_scale"):
        return three_scales(preprocess, trained)
    if name == "dense":
        return (three_scales(preprocess, trained)[1],)
    return (preprocess.resized if name == "center" else crop_scale(preprocess),)


def _given(text: str, numbers: str) -> tuple[int, ...]:
    readable = re.fullmatch(r"\d{1,5}(,\d{1,5})*", numbers)
    scales = tuple(int(n) for n in numbers.split(",")) if readable else ()
    if not scales or not 1 <= min(scales) <= max(scales) <= LARGEST:
        raise ConfigError(
            f"protocol {text!r} has no readable scales; write short sides of 1 to {LARGEST} pixels "
            "like multi_scale@224,256,288"
        )
    return scales
