"""The sixteen operations: against a restatement of the authors' TensorFlow code, and Pillow."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pictures import noise, smooth_photo
from PIL import Image, ImageEnhance, ImageOps

from jaxcnn.train.augment import operations
from jaxcnn.train.augment.operations import OPERATIONS, SIGNED, amount

apply = jax.jit(operations.apply)

# tensorflow/tpu, models/official/efficientnet/autoaugment.py, one image [H, W, 3] of uint8 at a
# time: what its TensorFlow operations compute, written again with NumPy.


def blend(partner, image, factor):
    mixed = partner.astype(np.float32) + np.float32(factor) * (image.astype(np.float32) - partner)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def grey_image(image):
    light = image.astype(np.float32) / 255 @ np.array([0.2989, 0.587, 0.114], np.float32)
    return (light * np.float32(255.5)).astype(np.uint8)[..., None]


def contrast(image, factor):
    counts = np.histogram(grey_image(image), 256, (0, 255))[0]
    return blend(np.full(image.shape, np.uint8(min(counts.sum() / 256.0, 255))), image, factor)


def sharpness(image, factor):
    smooth = image.copy()
    for y in range(1, image.shape[0] - 1):
        for x in range(1, image.shape[1] - 1):
            around = image[y - 1 : y + 2, x - 1 : x + 2].astype(np.float64).sum(axis=(0, 1))
            smooth[y, x] = ((around + 4.0 * image[y, x]) / 13).astype(np.uint8)
    return blend(smooth, image, factor)


def autocontrast(image):
    result = image.copy()
    for c in range(3):
        low, high = float(image[..., c].min()), float(image[..., c].max())
        if high > low:
            lookup = [int((v - low) * 255.0 / (high - low)) if v > low else 0 for v in range(256)]
            result[..., c] = np.array(lookup)[image[..., c]].clip(0, 255)
    return result


def equalize(image):
    result = image.copy()
    for c in range(3):
        counts = np.bincount(image[..., c].ravel(), minlength=256)
        step = (counts.sum() - counts[counts > 0][-1]) // 255
        if step:
            lookup = (np.cumsum(counts) + step // 2) // step
            lookup = np.clip(np.concatenate([[0], lookup[:-1]]), 0, 255)
            result[..., c] = lookup[image[..., c]]
    return result


def transform(image, coefficients):
    """tf.contrib.image.transform: (x, y) shows (a x + b y + c, d x + e y + f), to the nearest."""
    a, b, c, d, e, f = coefficients
    result = np.full_like(image, 128)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            column, row = (math.floor(v + 0.5) for v in (a * x + b * y + c, d * x + e * y + f))
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                result[y, x] = image[row, column]
    return result


def rotate(image, degrees):
    """tf.contrib.image.rotate."""
    height, width = image.shape[0] - 1, image.shape[1] - 1
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x_offset = (width - (cos * width - sin * height)) / 2
    y_offset = (height - (sin * width + cos * height)) / 2
    return transform(image, (cos, -sin, x_offset, sin, cos, y_offset))


def cutout(image, pad, centre):
    result = image.copy()
    top, left = max(0, centre[0] - pad), max(0, centre[1] - pad)
    result[top : centre[0] + pad, left : centre[1] + pad] = 128
    return result


def solarize_add(image, addition):
    added = np.clip(image.astype(np.int64) + int(addition), 0, 255).astype(np.uint8)
    return np.where(image < 128, added, image)


def posterize(image, bits):
    shift = min(max(8 - int(bits), 0), 7)  # TensorFlow's kernel shifts uint8 by 7 at the most
    return (image >> shift) << shift


CENTRE = (5, 20)
AUTHORS = {
    "autocontrast": lambda image, _: autocontrast(image),
    "equalize": lambda image, _: equalize(image),
    "invert": lambda image, _: 255 - image,
    "rotate": rotate,
    "posterize": posterize,
    "solarize": lambda image, t: np.where(image.astype(int) < int(t), image, 255 - image),
    "color": lambda image, f: blend(grey_image(image), image, f),
    "contrast": contrast,
    "brightness": lambda image, f: blend(np.zeros_like(image), image, f),
    "sharpness": sharpness,
    "shear_x": lambda image, s: transform(image, (1, s, 0, 0, 1, 0)),
    "shear_y": lambda image, s: transform(image, (1, 0, 0, s, 1, 0)),
    "translate_x": lambda image, p: transform(image, (1, 0, p, 0, 1, 0)),
    "translate_y": lambda image, p: transform(image, (1, 0, 0, 0, 1, p)),
    "cutout": lambda image, pad: cutout(image, int(pad), CENTRE),
    "solarize_add": solarize_add,
}
PILLOW = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "solarize": lambda image, t: ImageOps.solarize(image, int(t)),
    "color": lambda image, f: ImageEnhance.Color(image).enhance(f),
    "brightness": lambda image, f: ImageEnhance.Brightness(image).enhance(f),
    "sharpness": lambda image, f: ImageEnhance.Sharpness(image).enhance(f),
}
SIZE = 32
PHOTO = smooth_photo(SIZE)
NOISE = noise(1, SIZE)[0].astype(np.uint8)


def made(image, names, amounts):
    """{name: the package's result of each operation on `image`, uint8 [H, W, 3]}."""
    chosen = jnp.array([OPERATIONS.index(name) for name in names])
    images = np.repeat(image[None].astype(np.float32), len(names), axis=0)
    centres = np.tile((np.array(CENTRE, np.float32) + 0.5) / SIZE, (len(names), 1))
    results = np.asarray(apply(images, chosen, jnp.array(amounts, jnp.float32), centres))
    assert np.array_equal(results, results.round())
    return dict(zip(names, results.astype(int), strict=True))


@pytest.mark.parametrize("image", [PHOTO, NOISE], ids=["photo", "noise"])
@pytest.mark.parametrize("level", [0, 1, 3.5, 7, 9, 10, 17])
def test_every_operation_is_the_authors(image, level):
    amounts = {name: amount(name, level, translate=13.0, cutout=11.0) for name in AUTHORS}
    amounts |= {name: -amounts[name] for name in SIGNED if level in (1, 9)}
    results = made(image, list(amounts), list(amounts.values()))
    for name, result in results.items():
        expected = AUTHORS[name](image, amounts[name]).astype(int)
        # A blend multiplies the one level by which its partner may be rounded.
        blended = level > 10 and name in ("color", "sharpness")
        limit = abs(1 - amounts[name]) + 1 if blended else 1
        off = np.abs(result - expected)
        if name in SIGNED:  # a source that falls between two pixels rounds either way
            assert (off.max(axis=2) > 1).mean() < 0.02, name
        else:
            assert off.max() <= limit, name


@pytest.mark.parametrize("level", [2.5, 5, 9, 10])
def test_operations_that_pillow_has_are_pillows(level):
    amounts = {name: amount(name, level, 0.0, 0.0) for name in PILLOW}
    for name, result in made(PHOTO, list(amounts), list(amounts.values())).items():
        expected = np.asarray(PILLOW[name](Image.fromarray(PHOTO), amounts[name])).astype(int)
        assert np.abs(result - expected).max() <= 1, name


def test_full_range_and_single_values_stay_exactly():
    """Autocontrast leaves 0 to 255 alone, equalize fewer than 255 pixels, both a constant."""
    few = noise(1, 8)[0].astype(np.uint8)
    few[0, 0], few[0, 1] = 0, 255
    for image in (few, np.full((8, 8, 3), 77, np.uint8)):
        results = made(image, ["autocontrast", "equalize"], [0.0, 0.0])
        assert all(np.array_equal(result, image) for result in results.values())


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        # The figures of the code at RandAugment's magnitudes for B0 to B4, B5 and B7.
        (9, {"posterize": 3, "solarize": 230, "solarize_add": 99, "color": 1.72, "rotate": 27}),
        (17, {"posterize": 6, "solarize": 435, "color": 3.16, "translate_x": 170, "cutout": 68}),
        (28, {"posterize": 11, "brightness": 5.14, "shear_x": 0.84, "translate_y": 280}),
    ],
)
def test_amounts(level, expected):
    found = {name: amount(name, level, translate=100.0, cutout=40.0) for name in expected}
    assert found == pytest.approx(expected)


def test_a_negative_choice_changes_nothing():
    images = noise(3, 8)
    kept = apply(images, jnp.full(3, -1), jnp.ones(3), jnp.zeros((3, 2)))
    assert np.array_equal(kept, images)
