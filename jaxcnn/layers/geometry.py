"""Where the positions of a map lie in the image, along one axis; in pixels, and exact.

Windows that slide over a map move it: position i of the result looks at a window whose centre is
`first + i * step`. Networks that score every pixel put maps of different depths on top of each
other, and this is how far apart they start (Long, Shelhamer & Darrell 2015, section 3.2; Caffe's
`crop` layers have the numbers typed in).
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from jaxcnn.layers.branches import Branches, read_step


class Window(NamedTuple):
    """A convolution or pooling; `overhang`: a last window may reach beyond the map (Caffe)."""

    size: int
    stride: int = 1
    before: int = 0  # padding at either end
    overhang: bool = False


class Grid(NamedTuple):
    """The positions of a map: `count` of them, the first at pixel `first`, `step` pixels apart."""

    count: int
    first: Fraction = Fraction(0)
    step: int = 1

    def after(self, window: Window) -> "Grid":
        """The positions of the map that `window` makes of this one; none where it does not fit."""
        span = self.count + 2 * window.before - window.size
        gaps = -(-span // window.stride) if window.overhang else span // window.stride
        shift = Fraction(window.size - 1, 2) - window.before
        return Grid(
            count=max(0, gaps + 1),
            first=self.first + shift * self.step,
            step=self.step * window.stride,
        )

    def upsampled(self, window: Window) -> "Grid":
        """The positions of the map that the transposed convolution `window` makes of this one."""
        step = self.step // window.stride
        return Grid(
            count=(self.count - 1) * window.stride + window.size,
            first=self.first - Fraction(window.size - 1, 2) * step,
            step=step,
        )

    def within(self, start: int, stop: int) -> "Grid":
        """The positions `start` to `stop` - 1 of this map."""
        return self._replace(count=stop - start, first=self.first + start * self.step)


def window_of(layer: str | Branches) -> Window:
    """The window of a layer in the notation of `branches`; modules, as wide as high, move nothing.

    Raises ValueError for a module that shrinks its map.
    """
    if not isinstance(layer, str):
        return Window(1)
    step = read_step(layer)
    size = step.kernel[0]
    if not step.pool or (step.stride == 1 and not step.border):
        return Window(size, step.stride, 0 if step.border else (size - 1) // 2)
    return Window(size, step.stride, 0, step.border == "C")


def through(grid: Grid, windows: Iterable[Window]) -> Grid:
    """The positions of the map after all `windows`, one after another."""
    for window in windows:
        grid = grid.after(window)
    return grid


def transposed_window(stride: int, grid: Grid, onto: Grid) -> Window:
    """The window of the transposed convolution by `stride` whose positions fall on those of `onto`.

    It is 2 `stride` wide, or one less where only that puts positions upon positions and not between
    them (as in the authors' FCN-AlexNet, 63 for 32).
    """
    for size in (2 * stride, 2 * stride - 1):
        window = Window(size, stride)
        if offset(grid.upsampled(window), onto).denominator == 1:
            return window
    raise ValueError(f"maps that start {grid.first - onto.first} pixels apart do not meet")


def offset(fine: Grid, onto: Grid) -> Fraction:
    """The place in `onto` of the first position of `fine`, counted in steps of `onto`."""
    return (fine.first - onto.first) / onto.step


def overlap(fine: Grid, onto: Grid) -> tuple[slice, slice]:
    """The parts of two maps that lie on each other; of the same step, and an integer apart."""
    ahead = int(offset(fine, onto))
    start, stop = max(0, -ahead), min(fine.count, onto.count - ahead)
    return slice(start, stop), slice(start + ahead, stop + ahead)


def smallest_padding(covers, own: int, unit: int = 10) -> int:
    """`own`, or the least multiple of `unit` above it, for which `covers(padding)` holds."""
    if covers(own):
        return own
    padding = math.ceil((own + 1) / unit) * unit
    while not covers(padding):
        padding += unit
    return padding
