"""Augmentations of brightness and colour, on a whole batch of float32 images on the 0-255 scale."""

import zipfile

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.data.images.preprocess import LUMA
from jaxcnn.errors import DataError

Array = jax.Array

# fb.resnet.torch, datasets/imagenet.lua, on its scale of 0 to 1: variances, which it multiplies by
# normal draws as if they were deviations, and the axes as columns.
FB_DEVIATIONS = tuple(255 * variance for variance in (0.2175, 0.0188, 0.0045))
FB_AXES = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


def color_jitter(key: Array, images: Array, amounts: tuple[float, float, float]) -> Array:
    """Brightness, contrast and saturation of each image times factors drawn from 1 +- `amounts`.

    They are changed in this order, and the result of each is clipped to 0-255.
    """
    brightness, contrast, saturation = _factors(key, len(images), amounts)
    images = jnp.clip(images * brightness, 0, 255)
    middle = jnp.mean(luminance(images), axis=(1, 2), keepdims=True)  # [B,1,1,1]
    images = jnp.clip(middle + (images - middle) * contrast, 0, 255)
    light = luminance(images)
    return jnp.clip(light + (images - light) * saturation, 0, 255)


def fb_color(
    key: Array, images: Array, amounts: tuple[float, float, float], pca_std: float
) -> Array:
    """fb.resnet.torch's colours: `color_jitter` in random order and unclipped, then PCA colour.

    Its PCA colour is about half as strong as AlexNet's: see FB_DEVIATIONS. `images` [B, H, W, 3].
    """
    factor_key, order_key, pca_key = jax.random.split(key, 3)
    factors = jnp.stack(_factors(factor_key, len(images), amounts))  # [3,B,1,1,1]
    orders = jnp.argsort(jax.random.uniform(order_key, (3, len(images))), axis=0)  # [3,B]
    for turn in orders:
        now = turn.reshape(-1, 1, 1, 1)  # 0: brightness, 1: contrast, 2: saturation
        factor = jnp.where(now == 0, factors[0], jnp.where(now == 1, factors[1], factors[2]))
        light = luminance(images)
        partner = jnp.where(now == 1, jnp.mean(light, axis=(1, 2), keepdims=True), light)
        partner = jnp.where(now == 0, 0.0, partner)
        images = partner + (images - partner) * factor
    return ops.pca_color(pca_key, images, std=pca_std, deviations=FB_DEVIATIONS, axes=FB_AXES)


def luminance(images: Array) -> Array:
    """Luminance [B, H, W, 1], ITU-R 601."""
    if images.shape[-1] == 1:
        return images
    weights = jnp.array(LUMA, images.dtype).reshape(1, 1, 1, 3)
    return jnp.sum(images * weights, axis=-1, keepdims=True)


def load_pca(path: str) -> dict[str, np.ndarray]:
    """{"deviations": [3], "axes": [3, 3]} as jaxcnn prepare measures them.

    Raises DataError if `path` does not hold them.
    """
    try:
        with np.load(path) as stored:
            found = {name: np.asarray(stored[name], np.float32) for name in ("deviations", "axes")}
    except (
        OSError,
        KeyError,
        ValueError,
        EOFError,
        zipfile.BadZipFile,
        AttributeError,
        TypeError,
    ) as e:
        raise DataError(
            f"data.pca={path} cannot be read as colour axes ({e}); "
            "jaxcnn prepare writes such a file"
        ) from None
    if found["deviations"].shape != (3,) or found["axes"].shape != (3, 3):
        shapes = ", ".join(f"{name} {value.shape}" for name, value in found.items())
        raise DataError(f"data.pca={path} holds {shapes}; expected deviations (3,) and axes (3, 3)")
    return found


def _factors(key: Array, count: int, amounts: tuple[float, float, float]) -> list[Array]:
    """Three factors [count, 1, 1, 1], drawn evenly from 1 +- `amounts`, none below zero."""
    draws = jax.random.uniform(key, (count, 3), minval=-1.0, maxval=1.0)
    low, high = jnp.maximum(0.0, 1 - jnp.array(amounts)), 1 + jnp.array(amounts)
    factors = ((low + high) / 2)[None, :] + draws * ((high - low) / 2)[None, :]
    return [factors[:, i].reshape(-1, 1, 1, 1) for i in range(3)]
