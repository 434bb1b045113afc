"""RandAugment (arXiv:1909.13719) as the code of EfficientNet's authors has it, on a whole batch."""

import jax
import jax.numpy as jnp

from jaxcnn.train.augment.operations import OPERATIONS, SIGNED, amount, apply

Array = jax.Array

TRANSLATE = 100.0  # pixels at a magnitude of 10, whatever the image's size
CUTOUT = 40.0  # half the side of the box, in pixels, at a magnitude of 10


def randaugment(key: Array, images: Array, layers: int, magnitude: float) -> Array:
    """`layers` operations, drawn from all sixteen alike, on each of `images` [B, H, W, C], 0-255.

    `magnitude` is 10 at the end of AutoAugment's scale and may exceed it: the authors took 17 for
    EfficientNet-B5 and 28 for B7. Directions are drawn, strengths are not.
    """
    table = jnp.array([amount(name, magnitude, TRANSLATE, CUTOUT) for name in OPERATIONS])  # [16]
    signed = jnp.array([name in SIGNED for name in OPERATIONS])
    for layer in range(layers):
        op_key, sign_key, place_key = jax.random.split(jax.random.fold_in(key, layer), 3)
        chosen = jax.random.randint(op_key, (len(images),), 0, len(OPERATIONS))  # [B]
        negative = jax.random.bernoulli(sign_key, shape=chosen.shape) & signed[chosen]
        amounts = jnp.where(negative, -table[chosen], table[chosen])
        images = apply(images, chosen, amounts, jax.random.uniform(place_key, (len(images), 2)))
    return images
