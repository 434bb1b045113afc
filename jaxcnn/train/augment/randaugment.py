"""RandAugment (arXiv:1909.13719) without branches: all images of a batch go through the same arithmetic, each with its own operation.

The geometric operations are one affine map with different matrices, the blending ones one blend with different partners, so a layer
costs about as much as its two dearest operations, equalize and the map.
"""

import math

import jax
import jax.numpy as jnp

from jaxcnn.data.images.preprocess import LUMA
from jaxcnn.train.augment.warp import affine, warp

Array = jax.Array


# Section 3 and the code of arXiv:1909.13719, ranges at magnitude 10.
OPERATIONS = (
    "identity", "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "brightness",
    "color", "contrast", "sharpness", "posterize", "solarize", "autocontrast", "equalize",
)  # fmt: skip
ROTATE = math.radians(30.0)
SHEAR = 0.3
TRANSLATE = 150 / 331  # of the width: AutoAugment's 150 pixels on its images of 331
ENHANCE = 0.9  # factors 1 +- this
POSTERIZE_BITS = 4  # bits removed


def randaugment(key: Array, images: Array, layers: int, magnitude: float, *, fill: Array) -> Array:
    """`layers` random operations of strength `magnitude` (0 to 10) on each image [B, H, W, C], 0-255; what moves in is `fill`."""
    for layer in range(layers):
        op_key, sign_key = jax.random.split(jax.random.fold_in(key, layer))
        chosen = jax.random.randint(op_key, (len(images),), 0, len(OPERATIONS))
        sign = jnp.where(jax.random.bernoulli(sign_key, shape=chosen.shape), 1.0, -1.0)
        images = apply(images, chosen, sign, magnitude / 10, fill)
    return images


def apply(images: Array, chosen: Array, sign: Array, strength: float, fill: Array) -> Array:
    """The operation OPERATIONS[chosen[i]] on image i, with `sign` +-1 [B] where it has a direction and `strength` in [0, 1]."""

    def are(name: str) -> Array:
        return chosen == OPERATIONS.index(name)

    def amount(name: str, largest: float) -> Array:
        return jnp.where(are(name), sign * strength * largest, 0.0)

    def wide(values: Array) -> Array:
        return values.reshape(-1, 1, 1, 1)

    images = jnp.asarray(images)
    height, width = images.shape[1:3]
    matrix, move = affine(
        angle=amount("rotate", ROTATE),
        scale=jnp.ones((len(images), 2)),
        shear=jnp.stack([amount("shear_y", SHEAR), amount("shear_x", SHEAR)], axis=1),
        move=jnp.stack(
            [amount("translate_y", TRANSLATE * height), amount("translate_x", TRANSLATE * width)],
            axis=1,
        ),
    )
    geometric = (chosen >= OPERATIONS.index("rotate")) & (chosen <= OPERATIONS.index("translate_y"))
    result = jnp.where(wide(geometric), warp(images, matrix, move, fill), images)
    light = grey(images)
    partner = jnp.where(wide(are("brightness")), 0.0, light)
    partner = jnp.where(wide(are("contrast")), jnp.mean(light, axis=(1, 2), keepdims=True), partner)
    partner = jnp.where(wide(are("sharpness")), _smooth(images), partner)
    blended = jnp.clip(partner + (images - partner) * wide(1 + sign * strength * ENHANCE), 0, 255)
    enhanced = (chosen >= OPERATIONS.index("brightness")) & (
        chosen <= OPERATIONS.index("sharpness")
    )
    result = jnp.where(wide(enhanced), blended, result)
    step = 2.0 ** round(strength * POSTERIZE_BITS)
    result = jnp.where(wide(are("posterize")), jnp.floor(images / step) * step, result)
    result = jnp.where(
        wide(are("solarize")) & (images >= 256 * (1 - strength)), 255 - images, result
    )
    result = jnp.where(wide(are("autocontrast")), _autocontrast(images), result)
    return jnp.where(wide(are("equalize")), _equalize(images), result)


def grey(images: Array) -> Array:
    """Luminance [B, H, W, 1], ITU-R 601."""
    if images.shape[-1] == 1:
        return images
    return jnp.sum(
        images * jnp.array(LUMA, images.dtype).reshape(1, 1, 1, 3), axis=-1, keepdims=True
    )


def _smooth(images: Array) -> Array:
    """Pillow's SMOOTH filter, 3x3 with a centre of 5, on all but the outermost pixels."""
    height, width = images.shape[1:3]
    total = 4 * images[:, 1:-1, 1:-1]
    for dy in range(3):
        for dx in range(3):
            total = total + images[:, dy : height - 2 + dy, dx : width - 2 + dx]
    return images.at[:, 1:-1, 1:-1].set(total / 13)


def _autocontrast(images: Array) -> Array:
    """Each channel stretched to 0-255; a channel of one value stays."""
    low, high = (f(images, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))
    return jnp.where(high > low, (images - low) * 255 / jnp.maximum(high - low, 1e-6), images)


def _equalize(images: Array) -> Array:
    """Each channel's histogram made flat, as Pillow's ImageOps.equalize does it; a channel of one value stays."""
    batch, height, width, channels = images.shape
    levels = jnp.clip(jnp.round(images), 0, 255).astype(jnp.int32)
    flat = levels.transpose(0, 3, 1, 2).reshape(batch * channels, height * width)
    counts = jax.vmap(lambda v: jnp.bincount(v, length=256))(flat)  # [BC, 256]
    last = jnp.max(jnp.where(counts > 0, jnp.arange(256)[None], 0), axis=1)
    step = (height * width - jnp.take_along_axis(counts, last[:, None], axis=1)) // 255  # [BC, 1]
    below = jnp.cumsum(counts, axis=1) - counts
    table = jnp.clip((below + step // 2) // jnp.maximum(step, 1), 0, 255)
    table = jnp.where(step == 0, jnp.arange(256)[None], table).astype(jnp.float32)
    even = jnp.take_along_axis(table, flat, axis=1).reshape(batch, channels, height, width)
    return even.transpose(0, 2, 3, 1)
