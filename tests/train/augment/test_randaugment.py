"""RandAugment: how often each operation and direction is drawn."""

import jax
import numpy as np
from pictures import noise

from jaxcnn.train.augment.operations import OPERATIONS, SIGNED, amount, apply
from jaxcnn.train.augment.randaugment import randaugment

KEY = jax.random.key(0)


def test_every_operation_and_direction_is_drawn_equally():
    size, count, magnitude = 16, 1600, 6.0
    image = noise(1, size)[0]
    drawn = jax.jit(randaugment, static_argnums=(2, 3))(
        KEY, np.repeat(image[None], count, axis=0), 1, magnitude
    )
    names = [name for name in OPERATIONS if name not in ("cutout", "equalize", "autocontrast")]
    signed = [(name, sign) for name in names for sign in ((1, -1) if name in SIGNED else (1,))]
    amounts = [sign * amount(name, magnitude, 100.0, 40.0) for name, sign in signed]
    results = apply(
        np.repeat(image[None], len(signed), axis=0),
        np.array([OPERATIONS.index(name) for name, _ in signed]),
        np.array(amounts, np.float32),
        np.zeros((len(signed), 2), np.float32),
    )
    images = np.asarray(drawn)
    for (name, _), result in zip(signed, np.asarray(results), strict=True):
        found = (images == result).all(axis=(1, 2, 3)).mean()
        share = 1 / 32 if name in SIGNED else 1 / 16
        if name.startswith("translate"):  # 60 of 16 pixels: grey, as in cutout, whatever the way
            share = 4 / 32 + 1 / 16
        assert abs(found - share) < 5 * np.sqrt(share / count), name


def test_layers_follow_one_another():
    """Two layers leave whole numbers in range, and change nearly every image."""
    images = noise(64, 8)
    made = np.asarray(jax.jit(randaugment, static_argnums=(2, 3))(KEY, images, 2, 9.0))
    assert made.min() >= 0 and made.max() <= 255 and np.array_equal(made, made.round())
    assert (made != images).any(axis=(1, 2, 3)).mean() > 0.9
