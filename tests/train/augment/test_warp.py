"""Affine maps of images: against NumPy for turns and shifts, against Pillow for the rest."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pictures import noise
from PIL import Image

from jaxcnn.train.augment.warp import affine, nearest, warp

ZERO = np.zeros((1, 1, 3), np.float32)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (dict(), lambda x: x),
        (dict(angle=math.pi / 2), lambda x: np.rot90(x)),
        (dict(move=(1, -2)), lambda x: np.pad(x, ((1, 0), (0, 2), (0, 0)))[:8, 2:]),
        (dict(scale=(-1, 1)), lambda x: x[::-1]),
        (dict(scale=(3, 3)), None),
    ],
)
def test_the_affine_map(parameters, expected):
    images = noise(2)
    matrix, move = affine(
        angle=jnp.full(2, parameters.get("angle", 0.0)),
        scale=jnp.array([parameters.get("scale", (1, 1))] * 2, jnp.float32),
        shear=jnp.zeros((2, 2)),
        move=jnp.array([parameters.get("move", (0, 0))] * 2, jnp.float32),
    )
    warped = np.asarray(jax.jit(warp)(images, matrix, move, ZERO))
    if expected:
        assert np.abs(warped[0] - expected(images[0])).max() < 1e-3
    else:  # each pixel becomes a square of nine; the centre of the second from the top left shows
        assert np.abs(warped[0, 2, 2] - images[0, 3, 3]).max() < 1e-3


def test_the_affine_map_agrees_with_pillow():
    size = 32
    spots = Image.fromarray(noise(1, 8)[0].astype(np.uint8))
    image = np.asarray(spots.resize((size, size), Image.Resampling.BICUBIC))
    angle, scale, shear, move = 0.3, (1.1, 0.9), (0.0, 0.2), (1.5, -2.0)
    matrix, shift = affine(
        jnp.array([angle]), jnp.array([scale]), jnp.array([shear]), jnp.array([move])
    )
    warped = np.asarray(jax.jit(warp)(image[None].astype(np.float32), matrix, shift, ZERO))[0]
    # Pillow takes the inverse map, in the order x, y.
    inverse = np.linalg.inv(np.asarray(matrix[0], np.float64))[::-1, ::-1]
    offset = size / 2 - inverse @ (size / 2 + np.array(move[::-1]))
    coefficients = [*inverse[0], offset[0], *inverse[1], offset[1]]
    affinely, bilinear = Image.Transform.AFFINE, Image.Resampling.BILINEAR
    moved = Image.fromarray(image).transform((size, size), affinely, coefficients, bilinear)
    expected = np.asarray(moved)
    inside = slice(8, -8)
    assert np.abs(warped[inside, inside] - expected[inside, inside]).max() <= 1.01


def test_the_nearest_pixel_agrees_with_pillow():
    image = noise(1, 16)[0].astype(np.uint8)
    rows, columns = (0.3, 0.9, -1.05), (1.1, -0.2, 2.02)  # of x, of y, constant
    moved = jax.jit(nearest, static_argnums=3)(
        image[None].astype(np.float32), jnp.array([rows]), jnp.array([columns]), 7.0
    )
    # Pillow counts from the corner of the first pixel and we from its middle.
    coefficients = []
    for a, b, c in (columns, rows):
        coefficients += [a, b, c + 0.5 - 0.5 * a - 0.5 * b]
    affinely, fill = Image.Transform.AFFINE, (7, 7, 7)
    expected = Image.fromarray(image).transform((16, 16), affinely, coefficients, fillcolor=fill)
    assert np.array_equal(np.asarray(moved[0]), np.asarray(expected))
