"""Fully convolutional networks (Long, Shelhamer & Darrell, CVPR 2015, arXiv:1411.4038).

A classifier slides over the image and scores every place of its last map; transposed convolutions
bring the scores back to the image's pixels. Layers have the classifier's names and shapes, so that
its weights are taken over by name.
"""

import functools
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.layers import (
    Conv,
    FullyConnected,
    Identity,
    Init,
    LocalResponseNorm,
    ReLU,
    as_logits,
    check_images,
    he_normal,
    zeros,
)
from jaxcnn.layers.branches import Branches, apply_layer, conv_relu, read_step
from jaxcnn.layers.geometry import (
    Grid,
    Window,
    overlap,
    smallest_padding,
    through,
    transposed_window,
    window_of,
)
from jaxcnn.layers.upsample import Upsample, cut
from jaxcnn.models.googlenet import table_1

Array = jax.Array


class Row(NamedTuple):
    """One layer of a trunk, in the notation of `layers.branches`."""

    name: str
    layer: str | Branches
    groups: int = 1
    relu: str = ""  # what follows a convolution; "" where `apply_layer` names it


LRN = "lrn"  # Caffe's: k = 1, alpha 1e-4 divided by the size


def _conv(name: str, layer: str, groups: int = 1) -> Row:
    return Row(name, layer, groups, relu=name.replace("conv", "relu"))


def _vgg(convs: tuple[int, ...], widths: tuple[int, ...]) -> tuple[Row, ...]:
    """VGG's blocks of 3x3 convolutions, with Caffe's poolings, which round up."""
    rows = []
    for block, (count, width) in enumerate(zip(convs, widths, strict=True), 1):
        rows += [_conv(f"conv{block}_{i}", f"3x3 {width}") for i in range(1, count + 1)]
        rows.append(Row(f"pool{block}", "max 2x2 /2 C"))
    return tuple(rows)


# fmt: off
VGG16 = _vgg((2, 2, 3, 3, 3), (64, 128, 256, 512, 512))
SMALL = _vgg((1, 1, 1, 1, 1), (16, 32, 64, 64, 64))
ALEXNET = (  # `caffenet`, which pools before it normalises
    _conv("conv1", "11x11 96 /4 V"), Row("pool1", "max 3x3 /2 C"), Row("norm1", LRN),
    _conv("conv2", "5x5 256", 2), Row("pool2", "max 3x3 /2 C"), Row("norm2", LRN),
    _conv("conv3", "3x3 384"), _conv("conv4", "3x3 384", 2), _conv("conv5", "3x3 256", 2),
    Row("pool5", "max 3x3 /2 C"),
)
GOOGLENET = tuple(Row(name, layer) for name, layer in table_1())  # without its average pooling
WIDE = {"window": 7, "hidden": (4096, 4096)}
TINY = {"trunk": SMALL, "window": 1, "hidden": (128,), "num_classes": 4,
        "input_shape": (64, 64, 3), "dropout_rate": 0.0}

VARIANTS = {
    # Table 1: three classifiers at stride 32. Table 3: VGG16 with the scores of pool4, then pool3.
    "fcn32s_vgg16": dict(module="FCN", trunk=VGG16, **WIDE),
    "fcn16s_vgg16": dict(module="FCN", trunk=VGG16, **WIDE, skips=("pool4",)),
    "fcn8s_vgg16": dict(module="FCN", trunk=VGG16, **WIDE, skips=("pool4", "pool3")),
    "fcn32s_alexnet": dict(module="FCN", trunk=ALEXNET, window=6, hidden=(4096, 4096)),
    "fcn32s_googlenet": dict(module="FCN", trunk=GOOGLENET, dropout_rate=0.4),
    # Choice of this project, for the generated shapes of 64 pixels: one convolution a block.
    "fcn32s_small": dict(module="FCN", **TINY),
    "fcn16s_small": dict(module="FCN", **TINY, skips=("pool4",)),
    "fcn8s_small": dict(module="FCN", **TINY, skips=("pool4", "pool3")),
}
# fmt: on


class Plan(NamedTuple):
    """Which windows enlarge the scores along one axis, and what is cut out of which map."""

    fusions: tuple[tuple[Window, slice, slice], ...]  # (window, of the scores, of the skip's)
    last: Window
    crop: int  # pixels before the image
    covered: bool  # whether the enlarged scores reach over the whole image


@functools.lru_cache(maxsize=4096)
def plan(
    trunk: tuple[Row, ...], window: int, skips: tuple[str, ...], padding: int, side: int
) -> Plan:
    """The geometry of the network for an image of `side` pixels, `padding` more at either end."""
    at: dict[str, Grid] = {}
    image, grid = Grid(side), Grid(side + 2 * padding, first=Fraction(-padding))
    for row in trunk:
        if row.layer != LRN:
            grid = grid.after(window_of(row.layer))
        at[row.name] = grid
    grid = grid.after(Window(window))
    if grid.count < 1:
        return Plan((), Window(1), 0, covered=False)
    fusions = []
    for skip in skips:
        up = transposed_window(grid.step // at[skip].step, grid, at[skip])
        grid = grid.upsampled(up)
        ours, theirs = overlap(grid, at[skip])
        fusions.append((up, ours, theirs))
        grid = grid.within(ours.start, ours.stop)
    last = transposed_window(grid.step, grid, image)
    grid = grid.upsampled(last)
    crop = -int(grid.first)
    return Plan(tuple(fusions), last, crop, covered=0 <= crop <= grid.count - side)


@functools.cache
def image_padding(trunk: tuple[Row, ...], window: int, skips: tuple[str, ...]) -> int:
    """The padding of the first convolution with which every image gets a score at every pixel.

    It is the classifier's own where that is enough, else the least multiple of ten that is: 100 for
    VGG16 and AlexNet, which is the paper's number.
    """
    own = window_of(trunk[0].layer).before
    stride = through(Grid(1), (window_of(r.layer) for r in trunk if r.layer != LRN)).step

    def covers(padding: int) -> bool:
        sides = range(1, 2 * stride + 1)
        return all(plan(trunk, window, skips, padding - own, side).covered for side in sides)

    return smallest_padding(covers, own)


class FCN(nn.Module):
    """FCN: images [B, H, W, C] of any size -> scores [B, H, W, K], one vector a pixel.

    `trunk` is the classifier up to its last map, `window` and `hidden` its fully connected layers,
    slid over that map. `skips` are the poolings whose maps are scored too, deepest first (section
    4.2). Scores start at zero, so that the first loss is log K everywhere.
    """

    per_pixel: ClassVar[bool] = True  # a class for every pixel and none for the image

    trunk: tuple[Row, ...]
    input_shape: tuple = (500, 500, 3)
    num_classes: int = 21  # PASCAL VOC, background included
    dtype: Any = jnp.float32
    dropout_rate: float = 0.5
    window: int = 1  # of the first fully connected layer
    hidden: tuple = ()
    skips: tuple = ()
    learned: bool = True  # whether the transposed convolutions before the last one learn
    last_learned: bool = False  # and whether the last one does; the paper fixes it
    kernel_init: Init = he_normal

    @property
    def padding(self) -> int:
        """Pixels of zeros around the image, as the first convolution's padding."""
        return image_padding(self.trunk, self.window, self.skips)

    def plan(self, side: int) -> Plan:
        """The geometry for an image of `side` pixels along one axis."""
        more = self.padding - window_of(self.trunk[0].layer).before
        return plan(self.trunk, self.window, self.skips, more, side)

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image: the padding makes one pixel enough."""
        return 1

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        height, width = images.shape[1:3]
        plans = self.plan(height), self.plan(width)
        more = self.padding - window_of(self.trunk[0].layer).before
        around = ((0, 0), (more, more), (more, more), (0, 0))
        x = jnp.pad(images.astype(self.dtype), around)  # [B, H + 2 more, W + 2 more, C]
        maps = {}
        for row in self.trunk:
            x = maps[row.name] = self.layer(row, x, train)
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, class_map=False)  # [B, C]
        x = self.score("score_fr", self.fully_connected(x, train))  # [B, h, w, K]
        for skip, down, across in zip(self.skips, plans[0].fusions, plans[1].fusions, strict=True):
            (tall, rows, below), (wide, columns, beside) = down, across
            up = Upsample((tall, wide), rows, columns, self.learned, name=f"upscore_{skip}")
            skipped = cut(self.score(f"score_{skip}", maps[skip]), below, beside)
            x = up(x) + skipped  # [B, 2h, 2w, K] about
        rows, columns = (
            slice(found.crop, found.crop + side)
            for found, side in zip(plans, (height, width), strict=True)
        )
        windows = (plans[0].last, plans[1].last)
        x = Upsample(windows, rows, columns, self.last_learned, name="upscore")(x)  # [B, H, W, K]
        return as_logits(x, class_map=True)

    def layer(self, row: Row, x: Array, train: bool) -> Array:
        """One row of the trunk under its classifier's names."""
        if row.layer == LRN:
            return LocalResponseNorm(5, alpha=1e-4 / 5, beta=0.75, k=1.0, name=row.name)(x)
        unit = functools.partial(conv_relu, dtype=self.dtype, kernel_init=self.kernel_init)
        if not row.relu:
            return apply_layer(row.name, row.layer, x, train, unit)
        step = read_step(str(row.layer))
        conv = Conv(
            step.features,
            step.kernel,
            step.stride,
            window_of(row.layer).before,
            row.groups,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name=row.name,
        )
        return ReLU(name=row.relu)(conv(x))

    def fully_connected(self, x: Array, train: bool) -> Array:
        """The classifier's hidden layers, slid over its map: [B, h, w, C] -> [B, h', w', D]."""
        window = self.window
        for number, units in enumerate(self.hidden, 6):
            fc = FullyConnected(
                units, window, dtype=self.dtype, kernel_init=self.kernel_init, name=f"fc{number}"
            )
            x = ReLU(name=f"relu{number}")(fc(x))
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
            window = 1
        if not self.hidden:
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        return x

    def score(self, name: str, x: Array) -> Array:
        """A linear classifier at every place, zero at first: [B, h, w, C] -> [B, h, w, K]."""
        return Conv(self.num_classes, 1, dtype=self.dtype, kernel_init=zeros, name=name)(x)
