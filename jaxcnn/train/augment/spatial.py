"""Augmentations that move pixels or cover them, on a whole batch.

Images are float32 [B, H, W, C] on the 0-255 scale. Every draw is per image, so that the result
depends on the key and the place in the global batch, never on how the batch is sharded.
"""

import math

import jax
import jax.numpy as jnp

from jaxcnn.train.augment.warp import affine, warp

Array = jax.Array


def flip(key: Array, images: Array) -> Array:
    """Mirrors each image left to right with probability 1/2."""
    mirrored = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(mirrored, images[:, :, ::-1], images)


def shift(key: Array, images: Array, pixels: int, fill: Array) -> Array:
    """Moves each image by up to `pixels` along each axis; what comes in at the edges is `fill`.

    `fill` is [1, 1, C] or [H, W, C]. With the mean as `fill` this is the padding by zeros after
    normalisation, and the random crop, of ResNet section 4.2.
    """
    batch, height, width, _ = images.shape
    # With an offset of 0 the image moves down or right by `pixels`.
    offsets = jax.random.randint(key, (batch, 2), 0, 2 * pixels + 1)
    sides = (pixels, pixels)
    padded = jnp.pad(images, ((0, 0), sides, sides, (0, 0)))  # [B,H+2p,W+2p,C]

    def cut(image: Array, offset: Array) -> Array:
        return jax.lax.dynamic_slice(image, (offset[0], offset[1], 0), images.shape[1:])

    moved = jax.vmap(cut)(padded, offsets)  # [B,H,W,C]
    # The row, and the column, of the image that each row and column shows.
    rows = jnp.arange(height)[None, :] + offsets[:, :1] - pixels  # [B,H]
    columns = jnp.arange(width)[None, :] + offsets[:, 1:] - pixels  # [B,W]
    rows_inside = ((rows >= 0) & (rows < height))[:, :, None, None]
    columns_inside = ((columns >= 0) & (columns < width))[:, None, :, None]
    return jnp.where(rows_inside & columns_inside, moved, everywhere(fill, images))


def distort(
    key: Array, images: Array, amounts: tuple[float, float, float, float], fill: Array
) -> Array:
    """A small random affine map of each image (LeCun 1998, section III-C).

    `amounts` are the largest rotation in degrees, scaling and squeezing (each axis by 1 +- this),
    shear, and translation in pixels. Around an image lies `fill`, [1, 1, C] or [H, W, C].
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


def erase(key: Array, images: Array, probability: float, fill: Array) -> Array:
    """With `probability`, a box in each image becomes `fill` (arXiv:1708.04896).

    The box takes 2 to 33 % of the area, with an aspect of 0.3 to 3.3.
    """
    area_key, box_key, aspect_key = jax.random.split(key, 3)
    batch, height, width, _ = images.shape
    area = jax.random.uniform(area_key, (batch,), minval=0.02, maxval=1 / 3) * (height * width)
    extreme = math.log(0.3)
    logs = jax.random.uniform(aspect_key, (batch,), minval=extreme, maxval=-extreme)
    aspect = jnp.exp(logs)
    sizes = jnp.stack([jnp.sqrt(area * aspect), jnp.sqrt(area / aspect)], axis=1)  # [B,2]
    limits = jnp.array([[height, width]], jnp.float32)
    sizes = jnp.clip(jnp.round(sizes), 1, limits)
    draws = jax.random.uniform(box_key, (batch, 3))
    inside = boxes(jnp.floor(draws[:, :2] * (limits - sizes + 1)), sizes, height, width)
    inside &= (draws[:, 2] < probability).reshape(-1, 1, 1, 1)
    return jnp.where(inside, everywhere(fill, images), images)


def boxes(corners: Array, sizes: Array, height: int, width: int) -> Array:
    """Which pixels lie in the boxes of `corners` and `sizes` [B, 2], rows first: [B, H, W, 1]."""
    inside = []
    for axis, length in enumerate((height, width)):
        at = jnp.arange(length, dtype=jnp.float32)[None, :]
        first, size = corners[:, axis, None], sizes[:, axis, None]
        inside.append((at >= first) & (at < first + size))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]


def everywhere(fill: Array, images: Array) -> Array:
    """`fill`, [1, 1, C] or [H, W, C], in the shape of `images`."""
    return jnp.broadcast_to(jnp.asarray(fill, images.dtype)[None], images.shape)
