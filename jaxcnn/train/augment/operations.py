"""The sixteen operations of AutoAugment and RandAugment on a whole batch, each image with its own.

Every operation follows the authors' TensorFlow code (tensorflow/tpu, models/official/efficientnet,
autoaugment.py): pixels are whole numbers from 0 to 255, results are cut to whole numbers, geometric
operations take the nearest pixel, and what comes in at the edges is grey of 128.

All images of a batch go through the same arithmetic and keep the result that they chose, so that
nothing branches: the geometric operations are one affine map with different coefficients, the
blending ones one blend with different partners.
"""

import math

import jax
import jax.numpy as jnp

from jaxcnn.train.augment.warp import nearest

Array = jax.Array

OPERATIONS = (
    "autocontrast", "equalize", "invert", "rotate", "posterize", "solarize", "color", "contrast",
    "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y", "cutout",
    "solarize_add",
)  # fmt: skip
SIGNED = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
FILL = 128.0
SLACK = 1e-3  # before results are cut to whole numbers: 254.9999 is 255 that a division rounded


def amount(name: str, level: float, translate: float, cutout: float) -> float:
    """What operation `name` does at `level`, where 10 is the end of AutoAugment's scale.

    Degrees, bits kept, thresholds, additions, factors, slopes or pixels; `translate` and `cutout`
    are the pixels at level 10. 0 for operations without an amount.
    """
    share = level / 10
    return {
        "rotate": share * 30.0,
        "posterize": float(int(share * 4)),
        "solarize": float(int(share * 256)),
        "solarize_add": float(int(share * 110)),
        "shear_x": share * 0.3,
        "shear_y": share * 0.3,
        "translate_x": share * translate,
        "translate_y": share * translate,
        "cutout": float(int(share * cutout)),
        **dict.fromkeys(("color", "contrast", "brightness", "sharpness"), share * 1.8 + 0.1),
    }.get(name, 0.0)


def apply(images: Array, chosen: Array, amounts: Array, centres: Array) -> Array:
    """Operation OPERATIONS[chosen[i]] by amounts[i] on image i; a negative choice changes nothing.

    `images` are float32 [B, H, W, C], cut to whole numbers from 0 to 255 first; `chosen` [B] int,
    `amounts` [B] float as `amount` gives them, signed for SIGNED; `centres` [B, 2] the row and the
    column of cutout's box, as shares of the sides in [0, 1).
    """
    images = jnp.floor(jnp.clip(images, 0, 255) + SLACK)

    def are(*names: str) -> Array:
        either = jnp.isin(chosen, jnp.array([OPERATIONS.index(name) for name in names]))
        return either.reshape(-1, 1, 1, 1)

    wide = amounts.reshape(-1, 1, 1, 1)
    result = jnp.where(are(*SIGNED), _moved(images, chosen, amounts), images)
    blends = ("color", "contrast", "brightness", "sharpness")
    result = jnp.where(are(*blends), _blended(images, are, wide), result)
    step = 2.0 ** (8 - jnp.clip(wide, 1, 8))
    result = jnp.where(are("posterize"), jnp.floor(images / step) * step, result)
    bright = jnp.where(images < wide, images, 255 - images)
    result = jnp.where(are("solarize"), bright, result)
    added = jnp.where(images < 128, jnp.minimum(images + wide, 255), images)
    result = jnp.where(are("solarize_add"), added, result)
    result = jnp.where(are("invert"), 255 - images, result)
    result = jnp.where(are("cutout") & _box(images, amounts, centres), FILL, result)
    result = jnp.where(are("autocontrast"), _autocontrast(images), result)
    return jnp.where(are("equalize"), _equalize(images), result)


def grey(images: Array) -> Array:
    """Luminance [B, H, W, 1] in whole numbers, as tf.image.rgb_to_grayscale rounds it."""
    if images.shape[-1] == 1:
        return images
    weights = jnp.array((0.2989, 0.587, 0.114), images.dtype).reshape(1, 1, 1, 3)
    light = jnp.sum(images * weights, axis=-1, keepdims=True)  # [B,H,W,1]
    return jnp.floor(light * (255.5 / 255) + SLACK)


def _moved(images: Array, chosen: Array, amounts: Array) -> Array:
    """Rotated about the centre by degrees, sheared about the first pixel, or moved by pixels."""
    height, width = images.shape[1:3]

    def of(name: str) -> Array:
        return jnp.where(chosen == OPERATIONS.index(name), amounts, 0.0)  # [B]

    angle = of("rotate") * (math.pi / 180)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    # The source of the pixel (x, y) is (cos x - sin y, sin x + cos y) about the centre.
    shift_x = middle_x - cos * middle_x + sin * middle_y + of("translate_x")
    shift_y = middle_y - sin * middle_x - cos * middle_y + of("translate_y")
    rows = jnp.stack([sin + of("shear_y"), cos, shift_y], axis=1)  # [B,3]: of x, of y, constant
    columns = jnp.stack([cos, of("shear_x") - sin, shift_x], axis=1)
    return nearest(images, rows, columns, FILL)


def _blended(images: Array, are, factor: Array) -> Array:
    """Away from, or with a factor below one towards, a duller partner of each image."""
    height, width = images.shape[1:3]
    partner = jnp.where(are("brightness"), 0.0, grey(images))
    # Where Pillow takes the mean grey value, the authors' code divides the number of pixels by 256.
    partner = jnp.where(are("contrast"), float(min(height * width // 256, 255)), partner)
    partner = jnp.where(are("sharpness"), _smooth(images), partner)
    return jnp.floor(jnp.clip(partner + factor * (images - partner), 0, 255) + SLACK)


def _smooth(images: Array) -> Array:
    """Pillow's SMOOTH filter, 3x3 with a centre of 5, on all but the outermost pixels."""
    height, width = images.shape[1:3]
    total = 4 * images[:, 1:-1, 1:-1]
    for dy in range(3):
        for dx in range(3):
            total = total + images[:, dy : height - 2 + dy, dx : width - 2 + dx]
    return images.at[:, 1:-1, 1:-1].set(jnp.floor(total / 13 + SLACK))


def _box(images: Array, half: Array, centres: Array) -> Array:
    """Where cutout's boxes lie, bool [B, H, W, 1]: up to `half` [B] pixels before their centres."""
    inside = []
    for axis, length in enumerate(images.shape[1:3]):
        centre = jnp.floor(centres[:, axis, None] * length)
        at = jnp.arange(length, dtype=jnp.float32)[None, :]
        inside.append((at >= centre - half[:, None]) & (at < centre + half[:, None]))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]


def _autocontrast(images: Array) -> Array:
    """Each channel stretched to 0-255; a channel of one value stays."""
    low, high = (f(images, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))
    stretched = jnp.floor((images - low) * 255 / jnp.maximum(high - low, 1) + SLACK)
    return jnp.where(high > low, stretched, images)


def _equalize(images: Array) -> Array:
    """Each channel's histogram made flat, as Pillow does it; a channel of one value stays."""
    batch, height, width, channels = images.shape
    levels = images.astype(jnp.int32)
    flat = levels.transpose(0, 3, 1, 2).reshape(batch * channels, height * width)  # [BC,HW]
    counts = jax.vmap(lambda v: jnp.bincount(v, length=256))(flat)  # [BC,256]
    last = jnp.max(jnp.where(counts > 0, jnp.arange(256)[None], 0), axis=1)
    rest = height * width - jnp.take_along_axis(counts, last[:, None], axis=1)  # [BC,1]
    step = rest // 255
    below = jnp.cumsum(counts, axis=1) - counts
    table = jnp.clip((below + step // 2) // jnp.maximum(step, 1), 0, 255)
    table = jnp.where(step == 0, jnp.arange(256)[None], table).astype(jnp.float32)
    even = jnp.take_along_axis(table, flat, axis=1)  # [BC,HW]
    return even.reshape(batch, channels, height, width).transpose(0, 2, 3, 1)  # [B,H,W,C]
