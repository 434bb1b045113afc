"""Contrast normalisation and whitening against NumPy and scikit-learn."""

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA

from jaxcnn.config.schema import Data
from jaxcnn.data.images import whitening
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def photographs(n=500, side=6, channels=3):
    """Images whose neighbouring pixels are alike, uint8 [N, S, S, C]."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 2, 2, channels))
    smooth = coarse.repeat(side // 2, axis=1).repeat(side // 2, axis=2)
    return np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


def contrast(images):
    """pylearn2's global_contrast_normalize(scale=55), image by image in float64."""
    rows = []
    for image in images:
        row = image.astype(np.float64).reshape(-1)
        row -= row.mean()
        norm = np.sqrt(np.square(row).sum()) / 55
        rows.append(row / (norm if norm >= 1e-8 else 1))
    return np.stack(rows)


def zca(rows, of):
    """Rows in the axes of scikit-learn's PCA of `of`, divided by their deviations, turned back."""
    pca = PCA(svd_solver="full").fit(of)
    variances = pca.explained_variance_ * (len(of) - 1) / len(of)
    return (rows - pca.mean_) @ pca.components_.T / np.sqrt(variances + 0.1) @ pca.components_


def test_contrast_normalisation_is_pylearn2s():
    images = photographs()
    images[3] = 77  # one colour: nothing to normalise
    seen = whitening.Whitening().apply(images.astype(np.float32))
    assert seen.shape == images.shape and seen.dtype == np.float32
    np.testing.assert_allclose(seen.reshape(len(images), -1), contrast(images), atol=1e-4)
    assert not seen[3].any()


def test_whitening_is_that_of_principal_components():
    images, others = photographs()[:400], photographs()[400:]
    fitted = whitening.fit(images)
    np.testing.assert_allclose(fitted.matrix, fitted.matrix.T, atol=1e-6)
    seen = fitted.apply(others.astype(np.float32)).reshape(len(others), -1)
    np.testing.assert_allclose(seen, zca(contrast(others), contrast(images)), atol=2e-3)


def test_it_travels_as_text_and_is_the_same_on_a_device():
    images = photographs()
    fitted = whitening.fit(images)
    preprocess = Preprocess(6, whitening=whitening.encode(fitted))
    again = Preprocess.from_dict(preprocess.to_dict())
    host = again.normalise(images)
    # Half precision keeps 11 bits of each entry of the matrix.
    exact = fitted.apply(images.astype(np.float32))
    assert np.abs(host - exact).max() < 2e-3 * np.abs(exact).max()
    device = jax.jit(again.normalise)(images.astype(np.float32))
    np.testing.assert_allclose(device, host, atol=1e-4)
    assert len(preprocess.whitening) < 4 / 3 * (108 * 109 / 2 * 2 + 108 * 4 + 600)


def test_without_whitening_a_mean_is_subtracted():
    images = photographs(4)
    preprocess = Preprocess(6, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    expected = (images - np.array([1.0, 2.0, 3.0])) / np.array([4.0, 5.0, 6.0])
    np.testing.assert_allclose(preprocess.normalise(images), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["gcn", "zca"])
def test_it_is_measured_on_the_training_set(kind):
    data = Data(whiten=kind)
    preprocess = resolve(data, (8, 8, 1), open_source(data, "train"))
    images, _ = resident_arrays(data, "train", preprocess)
    expected = contrast(images)
    if kind == "zca":
        expected = zca(expected, expected)
    seen = preprocess.normalise(images).reshape(len(images), -1)
    assert np.abs(seen - expected).max() < 2e-3 * np.abs(expected).max()


def test_images_that_are_too_large_are_refused():
    data = Data(whiten="zca", image_size=224)
    with pytest.raises(DataError, match=r"at 224 pixels has 150,528"):
        resolve(data, (224, 224, 3), open_source(data, "train"))
