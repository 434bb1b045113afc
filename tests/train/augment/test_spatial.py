"""Augmentations that move or cover pixels: each against its definition and its statistics."""

import math

import jax
import numpy as np
import pytest
from pictures import copies

from jaxcnn.train.augment import spatial

KEY = jax.random.key(0)


def test_flip_mirrors_half():
    images = copies(4000)
    flipped = np.asarray(jax.jit(spatial.flip)(KEY, images))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored ^ (flipped == images).all(axis=(1, 2, 3))).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.03)


def test_shift_is_pad_and_random_crop():
    images = copies(2000)
    fill = np.arange(192, dtype=np.float32).reshape(8, 8, 3)
    moved = np.asarray(jax.jit(spatial.shift, static_argnums=2)(KEY, images, 2, fill))
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), constant_values=-1)
    counts = {}
    for image in moved:
        for dy, dx in np.ndindex(5, 5):
            crop = padded[dy : dy + 8, dx : dx + 8]
            if np.array_equal(image, np.where(crop < 0, fill, crop)):
                counts[dy, dx] = counts.get((dy, dx), 0) + 1
    assert sum(counts.values()) == 2000 and len(counts) == 25
    assert sum((n - 80) ** 2 / 80 for n in counts.values()) < 24 + 5 * math.sqrt(48)


def test_distortions_stay_in_their_ranges_and_centre_on_nothing():
    spot = np.zeros((3000, 33, 33, 1), np.float32)
    spot[:, 16, 26] = 255.0  # ten pixels right of the centre
    distort = jax.jit(spatial.distort, static_argnums=2)
    moved = np.asarray(distort(KEY, spot, (12.0, 0.12, 0.12, 2.5), np.zeros((1, 1, 1))))
    weight = moved[..., 0] / moved.sum(axis=(1, 2, 3))[:, None, None]
    grid = np.arange(33) - 16
    y, x = (weight * grid[:, None]).sum(axis=(1, 2)), (weight * grid[None]).sum(axis=(1, 2))
    turned = math.sin(math.radians(12)) / math.radians(12)  # the mean cosine
    assert x.mean() == pytest.approx(10 * turned, abs=0.12)
    assert y.mean() == pytest.approx(0, abs=0.12)
    assert x.var() == pytest.approx(2.5**2 / 3 + (10 * 0.12) ** 2 / 3, rel=0.1)
    assert y.var() == pytest.approx(2.5**2 / 3 + (10 * math.radians(12)) ** 2 / 3, rel=0.1)
    assert np.abs(x - 10).max() < 10 * 0.12 + 2.5 + 0.5


def test_erase():
    images = np.full((4000, 32, 32, 3), 7, np.float32)
    fill = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 3)
    erased = np.asarray(jax.jit(spatial.erase, static_argnums=2)(KEY, images, 0.25, fill))
    hit = (erased != 7).any(axis=(1, 2, 3))
    assert hit.mean() == pytest.approx(0.25, abs=0.025)
    holes = erased[hit][..., 0] == 1
    assert (erased[hit][holes] == fill.reshape(3)).all()
    heights, widths = holes.any(axis=2).sum(axis=1), holes.any(axis=1).sum(axis=1)
    assert np.array_equal(heights * widths, holes.sum(axis=(1, 2)))  # one full box each
    area = heights * widths / 1024
    assert area.min() > 0.012 and area.max() < 0.36
    assert area.mean() == pytest.approx((0.02 + 1 / 3) / 2, abs=0.015)
    assert np.log(heights / widths).mean() == pytest.approx(0, abs=0.1)
