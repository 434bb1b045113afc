"""Normalisation: one formula for NumPy on the host and JAX inside a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.images.preprocess import Preprocess, encode_pixel_mean


@pytest.mark.parametrize("side", [4, 6])
def test_numpy_and_jax_arrays_alike(side):
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    preprocess = Preprocess(4, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 8.0))
    expected = (images.astype(np.float64) - [10, 20, 30]) / [2, 4, 8]
    on_host = preprocess.normalise(images)
    assert isinstance(on_host, np.ndarray) and on_host.dtype == np.float32
    np.testing.assert_allclose(on_host, expected, rtol=1e-6)
    on_device = jax.jit(preprocess.normalise)(jnp.asarray(images))
    assert on_device.dtype == jnp.float32
    np.testing.assert_allclose(on_device, expected, rtol=1e-6)


def test_a_mean_image_is_subtracted_where_it_fits_and_its_mean_elsewhere():
    mean = np.random.default_rng(1).integers(50, 150, (4, 4, 1)).astype(np.float64)
    preprocess = Preprocess(4, 1, std=(5.0,), pixel_mean=encode_pixel_mean(mean))
    fitting, other = np.full((1, 4, 4, 1), 200, np.uint8), np.full((1, 6, 3, 1), 200, np.uint8)
    np.testing.assert_allclose(preprocess.normalise(fitting)[0], (200 - mean) / 5, rtol=1e-5)
    np.testing.assert_allclose(preprocess.normalise(other), (200 - mean.mean()) / 5, rtol=1e-5)
