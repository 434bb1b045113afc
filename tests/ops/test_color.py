"""PCA colour adds one colour to an image, with the covariance of AlexNet section 4.1."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.ops.color import PCA_AXES, PCA_STD


def test_axes_are_orthonormal():
    axes = np.asarray(PCA_AXES)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=2e-4)


def test_covariance_of_the_added_colour():
    std, n = 0.1, 200_000
    colours = np.asarray(ops.pca_color(jax.random.key(0), jnp.zeros((n, 1, 1, 3)), std=std))[
        :, 0, 0
    ]
    axes, deviations = np.asarray(PCA_AXES), np.asarray(PCA_STD)
    expected = sum(
        (std * s) ** 2 * np.outer(axis, axis) for s, axis in zip(deviations, axes.T, strict=True)
    )
    assert np.abs(colours.mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(np.cov(colours.T), expected, rtol=0.02, atol=0.3)
    # ImageNet's channels vary by some 60-75 of 255 each and together: the added colour is a tenth
    # of that, mostly grey.
    assert colours.std(axis=0).min() > 5.5 and colours.std(axis=0).max() < 8.5
    assert np.corrcoef(colours.T).min() > 0.7


def test_deviations_are_normal():
    colours = np.asarray(ops.pca_color(jax.random.key(1), jnp.zeros((100_000, 1, 1, 3))))[:, 0, 0]
    standard = colours / colours.std(axis=0)
    # A uniform draw would have 1.8.
    np.testing.assert_allclose((standard**4).mean(axis=0), 3.0, atol=0.15)


def test_one_colour_an_image():
    x = jax.random.uniform(jax.random.key(2), (4, 5, 6, 3), maxval=255.0)
    added = ops.pca_color(jax.random.key(3), x) - x
    np.testing.assert_allclose(added, jnp.broadcast_to(added[:, :1, :1], added.shape), atol=1e-4)
    assert np.unique(np.round(added[:, 0, 0, 0], 3)).size == 4
    np.testing.assert_array_equal(ops.pca_color(jax.random.key(3), x, std=0.0), x)
