"""PCA colour augmentation (AlexNet section 4.1)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

Array = jax.Array

# Krizhevsky's own constants for 0-255 RGB pixels (cuda-convnet2, make-data `color_pca`): the
# standard deviation along each principal axis, and the axes as columns. The widely copied 0-1
# values (.2175, .0188, .0045) are variances used as if they were deviations.
PCA_STD = (19.7208, 37.0939, 121.7801)
PCA_AXES = (
    (0.41796, -0.71258, -0.56351),
    (-0.81698, -0.02354, -0.57618),
    (0.39731, 0.70120, -0.59200),
)


def pca_color(
    key: Array,
    images: Array,
    *,
    std: float = 0.1,
    deviations: Sequence[float] = PCA_STD,
    axes: Sequence[Sequence[float]] = PCA_AXES,
) -> Array:
    """Adds one random colour to all pixels of an image, for images [B, H, W, 3] in 0-255.

    The colour lies along the principal axes of ImageNet's colours: it is axes @ (alpha *
    deviations), axes as columns, with alpha ~ N(0, std) drawn once an image. Its covariance is
    std^2 times that of the pixels from which `axes` and `deviations` come, ImageNet's unless others
    are given.
    """
    alpha = std * jax.random.normal(key, (images.shape[0], 3), images.dtype)  # [B, 3]
    scaled = alpha * jnp.asarray(deviations, images.dtype)[None, :]
    colour = scaled @ jnp.asarray(axes, images.dtype).T  # [B, 3]
    return images + colour[:, None, None, :]
