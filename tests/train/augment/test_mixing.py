"""Mixed images and targets: against their definitions and their statistics."""

import jax
import numpy as np
import pytest
from pictures import noise

from jaxcnn.train.augment.mixing import cutmix, mixup

KEY = jax.random.key(0)


def test_mixup():
    images, targets = noise(4000, 2), np.eye(4, dtype=np.float32)[np.arange(4000) % 4]
    made = jax.jit(mixup, static_argnums=3)(KEY, images, targets, 0.5)
    mixed, soft = map(np.asarray, made)
    share = soft[np.arange(4000), np.arange(4000) % 4]
    assert soft.sum(axis=1) == pytest.approx(np.ones(4000), abs=1e-6)
    wide = share[:, None, None, None]
    assert np.abs(mixed - (wide * images + (1 - wide) * np.roll(images, 1, axis=0))).max() < 1e-3
    assert share.mean() == pytest.approx(0.5, abs=0.025)
    assert share.var() == pytest.approx(1 / 8, rel=0.06)  # of Beta(1/2, 1/2)


def test_cutmix():
    numbers = np.arange(2000, dtype=np.float32)[:, None, None, None]
    images = numbers * np.ones((1, 16, 16, 1), np.float32)
    targets = np.eye(2, dtype=np.float32)[np.arange(2000) % 2]
    made = jax.jit(cutmix, static_argnums=3)(KEY, images, targets, 1.0)
    mixed, soft = map(np.asarray, made)
    pasted = mixed != images
    assert np.array_equal(mixed[pasted], np.roll(images, 1, axis=0)[pasted])
    share = soft[np.arange(2000), np.arange(2000) % 2]
    assert share == pytest.approx(1 - pasted.mean(axis=(1, 2, 3)), abs=1e-6)
    assert 0.55 < share.mean() < 0.75  # uniform, 0.5, but for the boxes cut off at the edges
