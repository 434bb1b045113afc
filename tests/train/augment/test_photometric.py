"""Colours: against their definitions, their statistics and the order that a code states."""

import itertools

import jax
import numpy as np
import pytest
import scipy.optimize

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import DataError
from jaxcnn.train.augment.batch import make_prepare
from jaxcnn.train.augment.photometric import color_jitter, fb_color, load_pca

KEY = jax.random.key(0)
LUMA = np.array([0.299, 0.587, 0.114])


def test_pca_colour_has_the_covariance_of_the_pixels_it_was_measured_on(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(5000, 3)) @ np.array([[40, 10, 0], [5, 30, 8], [0, 0, 20.0]])
    variances, axes = np.linalg.eigh(np.cov(pixels.T))
    np.savez(tmp_path / "pca.npz", deviations=np.sqrt(variances), axes=axes)
    data = Data(augment=("pca_color",), pca=str(tmp_path / "pca.npz"), pca_std=0.5)
    batch = {"image": np.full((20000, 2, 2, 3), 128, np.uint8), "label": np.zeros(20000, np.int32)}
    grey = Preprocess(2, 3, mean=(128.0,) * 3, std=(1.0,) * 3)
    prepare = make_prepare(data, grey, 10, train=True)
    images, _ = jax.jit(prepare)(KEY, batch)
    images = np.asarray(images)
    assert np.ptp(images, axis=(1, 2)).max() == 0  # one colour an image
    expected = 0.25 * np.cov(pixels.T)
    assert np.cov(images[:, 0, 0].T) == pytest.approx(expected, abs=0.03 * expected.max())
    assert images.mean() == pytest.approx(0, abs=0.3)
    np.savez(tmp_path / "other.npz", deviations=np.ones(2), axes=axes)
    for name, expected in (("other.npz", "expected deviations"), ("gone.npz", "cannot be read")):
        with pytest.raises(DataError, match=expected):
            load_pca(str(tmp_path / name))


def test_color_jitter():
    images = np.full((4000, 4, 4, 3), 100, np.float32)
    images[:, :2] = (120, 90, 60)
    light = np.array([120, 90, 60]) @ np.array([0.299, 0.587, 0.114])
    jitter = jax.jit(color_jitter, static_argnums=2)
    only = [
        np.asarray(jitter(KEY, images, amounts))
        for amounts in ((0.4, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, 0.0, 0.4))
    ]
    brightness = only[0][:, 3, 3, 0] / 100
    assert np.abs(only[0] - images * brightness[:, None, None, None]).max() < 1e-3
    middle = (100 + light) / 2
    contrast = (only[1][:, 3, 3, 0] - middle) / (100 - middle)
    stretched = (images - middle) * contrast[:, None, None, None]
    assert np.abs(only[1] - middle - stretched).max() < 1e-2
    saturation = (only[2][:, 0, 0, 0] - light) / (120 - light)
    assert np.abs(only[2][:, 3, 3] - 100).max() < 1e-3
    for factor in (brightness, contrast, saturation):
        assert factor.mean() == pytest.approx(1, abs=0.02)
        assert factor.var() == pytest.approx(0.8**2 / 12, rel=0.1)
        assert factor.min() > 0.599 and factor.max() < 1.401


def test_facebooks_jitter_is_unclipped_and_in_every_order():
    """fb.resnet.torch, datasets/transforms.lua: RandomOrder of three blends on floats."""
    image = np.zeros((4, 4, 3))
    image[:2], image[2:] = (250, 90, 10), (5, 200, 245)
    images = np.repeat(image[None].astype(np.float32), 600, axis=0)
    made = np.asarray(jax.jit(fb_color, static_argnums=(2, 3))(KEY, images, (0.9, 0.9, 0.9), 0.0))
    assert made.min() < -20 and made.max() > 290
    # Two colours an image: in the right order three factors explain all six numbers.
    orders = dict.fromkeys(itertools.permutations(("brightness", "contrast", "color")), 0)
    for one in made[:120]:
        misfits = {order: misfit(image, one, order) for order in orders}
        best = min(misfits, key=misfits.get)
        assert misfits[best] < 0.5
        orders[best] += 1
    assert min(orders.values()) > 5


def misfit(image, made, order):
    """How far `made` is from the nearest image of three such blends, in grey levels."""

    def blend(factors):
        x = image
        for name, factor in zip(order, factors, strict=True):
            light = (x @ LUMA)[..., None]
            partner = {"brightness": 0.0, "contrast": light.mean(), "color": light}[name]
            x = partner + (x - partner) * factor
        return (x - made)[[0, 3], 0].ravel()

    return np.abs(scipy.optimize.least_squares(blend, (1.0, 1.0, 1.0)).fun).max()


def test_facebooks_pca_colour_takes_variances_for_deviations():
    images = np.full((20000, 2, 2, 3), 128, np.float32)
    made = np.asarray(jax.jit(fb_color, static_argnums=(2, 3))(KEY, images, (0.0,) * 3, 0.1))
    # The axes are nearly orthonormal, so that the total variance is the sum of the squares.
    expected = (25.5**2) * (0.2175**2 + 0.0188**2 + 0.0045**2)
    assert made[:, 0, 0].var(axis=0).sum() == pytest.approx(expected, rel=0.05)
