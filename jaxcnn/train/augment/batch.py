"""Augmentation on the device, inside the step: pure functions of (key, images), vectorised over the batch.

Images are float32 [B, H, W, C] on the 0-255 scale, targets float32 [B, K]. Every draw is per image, so the result depends on the key
and the place in the global batch, never on how the batch is sharded.
"""

import math
import zipfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import betaincinv

from jaxcnn import ops
from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import DataError
from jaxcnn.train.augment.randaugment import grey, randaugment
from jaxcnn.train.augment.warp import affine, warp

Array = jax.Array
# What may be done to images whose pixels have labels: MOVING moves the labels too.
MOVING = ("flip",)
OF_MAPS = (*MOVING, "pca_color", "color_jitter")
Prepare = Callable[[Array, dict[str, Array]], tuple[Array, Array]]


def flip(key: Array, images: Array) -> Array:
    """Mirrors each image left to right with probability 1/2."""
    mirrored = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def shift(key: Array, images: Array, pixels: int, fill: Array) -> Array:
    """Moves each image by up to `pixels` along each axis; what comes in at the edges is `fill`, [1, 1, C] or [H, W, C].

    With the mean as `fill` this is the padding by zeros after normalisation, and the random crop, of ResNet section 4.2.
    """
    batch, height, width, _ = images.shape
    offsets = jax.random.randint(
        key, (batch, 2), 0, 2 * pixels + 1
    )  # 0: the image moves down or right by `pixels`
    padded = jnp.pad(
        images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0))
    )  # [B, H+2p, W+2p, C]
    moved = jax.vmap(lambda x, o: jax.lax.dynamic_slice(x, (o[0], o[1], 0), images.shape[1:]))(
        padded, offsets
    )
    rows = (
        jnp.arange(height)[None, :] + offsets[:, :1] - pixels
    )  # [B, H], the row that each row shows
    columns = jnp.arange(width)[None, :] + offsets[:, 1:] - pixels
    inside = ((rows >= 0) & (rows < height))[:, :, None, None] & (
        (columns >= 0) & (columns < width)
    )[:, None, :, None]
    return jnp.where(inside, moved, _everywhere(fill, images))


def distort(
    key: Array, images: Array, amounts: tuple[float, float, float, float], fill: Array
) -> Array:
    """A small random affine map of each image (LeCun 1998, section III-C); around it `fill`, [1, 1, C] or [H, W, C].

    `amounts` are the largest rotation in degrees, scaling and squeezing (each axis by 1 +- this), shear, and translation in pixels.
    """
    degrees, scale, shear, pixels = amounts
    draws = jax.random.uniform(key, (len(images), 6), minval=-1.0, maxval=1.0)
    matrix, move = affine(
        angle=draws[:, 0] * math.radians(degrees),
        scale=1 + draws[:, 1:3] * scale,
        shear=draws[:, 3:4] * jnp.array([[0.0, shear]]),
        move=draws[:, 4:6] * pixels,
    )
    return warp(images, matrix, move, fill)


def color_jitter(key: Array, images: Array, amounts: tuple[float, float, float]) -> Array:
    """Brightness, contrast and saturation of each image times factors drawn from 1 +- `amounts`, in this order, clipped to 0-255."""
    draws = jax.random.uniform(key, (len(images), 3), minval=-1.0, maxval=1.0)
    low, high = jnp.maximum(0.0, 1 - jnp.array(amounts)), 1 + jnp.array(amounts)
    factors = ((low + high) / 2)[None, :] + draws * ((high - low) / 2)[None, :]
    brightness, contrast, saturation = (factors[:, i].reshape(-1, 1, 1, 1) for i in range(3))
    images = jnp.clip(images * brightness, 0, 255)
    middle = jnp.mean(grey(images), axis=(1, 2), keepdims=True)  # [B, 1, 1, 1]
    images = jnp.clip(middle + (images - middle) * contrast, 0, 255)
    light = grey(images)
    return jnp.clip(light + (images - light) * saturation, 0, 255)


def erase(key: Array, images: Array, probability: float, fill: Array) -> Array:
    """With `probability`, a box of 2 to 33 % of the image's area and an aspect of 0.3 to 3.3 becomes `fill` (arXiv:1708.04896)."""
    area_key, box_key, choice_key = jax.random.split(key, 3)
    batch, height, width, _ = images.shape
    area = jax.random.uniform(area_key, (batch,), minval=0.02, maxval=1 / 3) * (height * width)
    aspect = jnp.exp(
        jax.random.uniform(choice_key, (batch,), minval=math.log(0.3), maxval=math.log(1 / 0.3))
    )
    sizes = jnp.stack([jnp.sqrt(area * aspect), jnp.sqrt(area / aspect)], axis=1)  # [B, 2]
    limits = jnp.array([[height, width]], jnp.float32)
    sizes = jnp.clip(jnp.round(sizes), 1, limits)
    draws = jax.random.uniform(box_key, (batch, 3))
    inside = _boxes(jnp.floor(draws[:, :2] * (limits - sizes + 1)), sizes, height, width)
    inside &= (draws[:, 2] < probability).reshape(-1, 1, 1, 1)
    return jnp.where(inside, _everywhere(fill, images), images)


def mixup(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Each image and its target blended with those of its neighbour in the batch, by lambda ~ Beta(alpha, alpha) (arXiv:1710.09412)."""
    share = _beta(key, alpha, len(images))
    wide = share[:, :, None, None]
    return wide * images + (1 - wide) * jnp.roll(images, 1, axis=0), share * targets + (
        1 - share
    ) * jnp.roll(targets, 1, axis=0)


def cutmix(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """A box of the neighbour in the batch pasted in, targets mixed by its area; its share is 1 - Beta(alpha, alpha) (arXiv:1905.04899)."""
    share_key, box_key = jax.random.split(key)
    batch, height, width, _ = images.shape
    limits = jnp.array([[height, width]], jnp.float32)
    sizes = limits * jnp.sqrt(1 - _beta(share_key, alpha, batch))
    centres = jax.random.uniform(box_key, (batch, 2)) * limits
    low, high = (
        jnp.clip(jnp.round(centres - sizes / 2), 0, limits),
        jnp.clip(jnp.round(centres + sizes / 2), 0, limits),
    )
    inside = _boxes(low, high - low, height, width)
    share = 1 - jnp.prod(high - low, axis=1, keepdims=True) / (
        height * width
    )  # [B, 1], after clipping at the edges
    return jnp.where(inside, jnp.roll(images, 1, axis=0), images), share * targets + (
        1 - share
    ) * jnp.roll(targets, 1, axis=0)


def _beta(key: Array, alpha: float, count: int) -> Array:
    """[count, 1] draws of Beta(alpha, alpha), from a table of its quantiles: sampling by rejection would be a loop inside the step."""
    levels = np.linspace(0, 1, 4097)
    table = betaincinv(alpha, alpha, levels).astype(np.float32)
    return jnp.interp(jax.random.uniform(key, (count, 1)), levels.astype(np.float32), table)


def _boxes(corners: Array, sizes: Array, height: int, width: int) -> Array:
    """Which pixels lie in the boxes with `corners` and `sizes` [B, 2] (rows, columns): bool [B, H, W, 1]."""
    inside = []
    for axis, length in enumerate((height, width)):
        at = jnp.arange(length, dtype=jnp.float32)[None, :]
        inside.append((at >= corners[:, axis, None]) & (at < (corners + sizes)[:, axis, None]))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]


def _everywhere(fill: Array, images: Array) -> Array:
    return jnp.broadcast_to(jnp.asarray(fill, images.dtype)[None], images.shape)


def load_pca(path: str) -> dict[str, np.ndarray]:
    """{"deviations": [3], "axes": [3, 3]} as scripts/prepare_data.py measures them; raises DataError if `path` does not hold them."""
    try:
        with np.load(path) as stored:
            found = {name: np.asarray(stored[name], np.float32) for name in ("deviations", "axes")}
    except (
        OSError,
        KeyError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        AttributeError,
        TypeError,
    ) as e:
        raise DataError(
            f"data.pca={path} cannot be read as colour axes ({e}); python scripts/prepare_data.py writes such a file"
        ) from None
    if found["deviations"].shape != (3,) or found["axes"].shape != (3, 3):
        shapes = ", ".join(f"{name} {value.shape}" for name, value in found.items())
        raise DataError(f"data.pca={path} holds {shapes}; expected deviations (3,) and axes (3, 3)")
    return found


def _not_of_maps(name: str) -> str:
    return (
        f"data.augment names {name!r}, which does not move label maps along with images; for "
        f"segmentation there are {', '.join(OF_MAPS)}"
    )


def make_prepare(
    data: Data, preprocess: Preprocess, num_classes: int, train: bool, label_smoothing: float = 0.0
) -> Prepare:
    """prepare(key, batch) -> (normalised images float32 [B, S, S, C], targets float32 [B, K]) for batches with uint8 `image` and `label`.

    In training the images are augmented as `data.augment` says, in its order, and targets are smoothed; where both mixup and cutmix
    are named, each batch gets one of them. Without `train` the key is not used. Raises DataError for what grey images cannot have.
    """
    if train and preprocess.channels == 1 and "pca_color" in data.augment:
        raise DataError(
            'data.augment names "pca_color", but the images are grey; remove it or set data.channels=3'
        )
    offset = jnp.asarray(preprocess.offset())  # [S, S, C] or [1, 1, C]
    background = jnp.zeros((1, 1, preprocess.channels))
    colours: dict[str, Any] = load_pca(data.pca) if data.pca else {}
    steps = {
        "flip": flip,
        "shift": lambda key, x: shift(key, x, data.shift, offset),
        "distort": lambda key, x: distort(key, x, data.distort, background),
        "pca_color": lambda key, x: ops.pca_color(key, x, std=data.pca_std, **colours),
        "color_jitter": lambda key, x: color_jitter(key, x, data.jitter),
        "erase": lambda key, x: erase(key, x, data.erase, offset),
        "randaugment": lambda key, x: randaugment(key, x, *data.randaugment, fill=offset),
    }
    mixers = {
        "mixup": lambda key, x, y: mixup(key, x, y, data.mixup),
        "cutmix": lambda key, x, y: cutmix(key, x, y, data.cutmix),
    }
    mixing = [name for name in data.augment if name in mixers]

    def prepare(key: Array, batch: dict[str, Array]) -> tuple[Array, Array]:
        images = batch["image"].astype(jnp.float32)
        # A void pixel, 255, is no class: its target is zero.
        targets = jax.nn.one_hot(batch["label"], num_classes)  # [B, K] or [B, S, S, K]
        maps = targets.ndim == 4
        if train:
            for place, name in enumerate(data.augment):
                if maps and name not in OF_MAPS:
                    raise DataError(_not_of_maps(name))
                if name in steps:
                    images = steps[name](jax.random.fold_in(key, place), images)
                if maps and name in MOVING:
                    targets = steps[name](jax.random.fold_in(key, place), targets)
            share = 1.0 if not maps else jnp.sum(targets, axis=-1, keepdims=True)  # 0 where void
            targets = (1 - label_smoothing) * targets + share * label_smoothing / num_classes
            mixed = [
                mixers[name](jax.random.fold_in(key, 100 + place), images, targets)
                for place, name in enumerate(mixing)
            ]
            if len(mixed) == 2:
                first = jax.random.bernoulli(jax.random.fold_in(key, 200))
                mixed = [jax.tree.map(lambda a, b: jnp.where(first, a, b), *mixed)]
            if mixed:
                images, targets = mixed[0]
        return preprocess.normalise(images), targets

    return prepare
