"""Augmentations that mix each image, and its target, with its neighbour in the batch."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import betaincinv

from jaxcnn.train.augment.spatial import boxes

Array = jax.Array


def mixup(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """Each image and its target blended with its neighbour's (arXiv:1710.09412).

    The share is drawn from Beta(alpha, alpha); images [B, H, W, C], targets [B, K].
    """
    share = _beta(key, alpha, len(images))
    wide = share[:, :, None, None]
    mixed = wide * images + (1 - wide) * jnp.roll(images, 1, axis=0)
    return mixed, share * targets + (1 - share) * jnp.roll(targets, 1, axis=0)


def cutmix(key: Array, images: Array, targets: Array, alpha: float) -> tuple[Array, Array]:
    """A box of its neighbour pasted into each image (arXiv:1905.04899).

    The box takes a share of 1 - Beta(alpha, alpha) of the area, less what lies beyond the edges;
    targets are mixed by the area that remains. Images [B, H, W, C], targets [B, K].
    """
    share_key, box_key = jax.random.split(key)
    batch, height, width, _ = images.shape
    limits = jnp.array([[height, width]], jnp.float32)
    sizes = limits * jnp.sqrt(1 - _beta(share_key, alpha, batch))  # [B,2]
    centres = jax.random.uniform(box_key, (batch, 2)) * limits
    low = jnp.clip(jnp.round(centres - sizes / 2), 0, limits)
    high = jnp.clip(jnp.round(centres + sizes / 2), 0, limits)
    inside = boxes(low, high - low, height, width)
    share = 1 - jnp.prod(high - low, axis=1, keepdims=True) / (height * width)  # [B,1]
    mixed = jnp.where(inside, jnp.roll(images, 1, axis=0), images)
    return mixed, share * targets + (1 - share) * jnp.roll(targets, 1, axis=0)


def _beta(key: Array, alpha: float, count: int) -> Array:
    """[count, 1] draws of Beta(alpha, alpha) from a table of its quantiles.

    Drawing by rejection would be a loop inside the step.
    """
    levels = np.linspace(0, 1, 4097)
    table = betaincinv(alpha, alpha, levels).astype(np.float32)
    return jnp.interp(jax.random.uniform(key, (count, 1)), levels.astype(np.float32), table)
