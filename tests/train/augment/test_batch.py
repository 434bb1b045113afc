"""The path of a batch inside the step: order, fill, normalisation, targets, sharding."""

import re

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from pictures import noise

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess, encode_pixel_mean
from jaxcnn.errors import DataError
from jaxcnn.train.augment import spatial
from jaxcnn.train.augment.batch import make_prepare

KEY = jax.random.key(0)
ZERO = np.zeros((1, 1, 3), np.float32)
PLAIN = Preprocess(8, 3, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_zero_padding_after_the_mean_is_padding_with_the_mean():
    """ResNet section 4.2 pads the normalised image with zeros."""
    preprocess = Preprocess(8, 3, mean=(10.0, 100.0, 200.0), std=(2.0, 4.0, 8.0))
    prepare = make_prepare(Data(augment=("shift",), shift=8), preprocess, 10, train=True)
    images, _ = jax.jit(prepare)(
        KEY, {"image": np.full((64, 8, 8, 3), 255, np.uint8), "label": np.zeros(64, np.int32)}
    )
    values = np.unique(np.asarray(images).reshape(-1, 3), axis=0)
    assert values.tolist() == [[0, 0, 0], [122.5, 38.75, 6.875]]


@pytest.mark.parametrize("name", ["pca_color", "fb_color"])
def test_pca_colour_needs_colour(name):
    grey = Preprocess(8, 1, mean=(0.0,), std=(1.0,))
    with pytest.raises(DataError, match=f'names "{name}", but the images are grey'):
        make_prepare(Data(augment=(name,)), grey, 10, train=True)


def test_prepare_normalises_and_smooths():
    preprocess = Preprocess(8, 3, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    batch = {"image": noise(4).astype(np.uint8), "label": np.array([0, 2, 1, 2], np.int32)}
    for train, smoothing, on, off in ((False, 0.3, 1.0, 0.0), (True, 0.3, 0.8, 0.1)):
        prepare = make_prepare(Data(), preprocess, 3, train=train, label_smoothing=smoothing)
        images, targets = prepare(KEY if train else None, batch)
        expected = (batch["image"] - np.array([10, 20, 30])) / np.array([2, 4, 5])
        assert np.abs(np.asarray(images) - expected).max() < 1e-5
        smooth = np.where(np.eye(3)[batch["label"]] == 1, on, off)
        assert np.asarray(targets) == pytest.approx(smooth, abs=1e-6)
    mean = np.random.default_rng(1).uniform(0, 255, (8, 8, 3))
    by_pixel = Preprocess(8, 3, mean=(), std=(1.0,) * 3, pixel_mean=encode_pixel_mean(mean))
    images, _ = make_prepare(Data(), by_pixel, 3, train=False)(None, batch)
    assert np.abs(np.asarray(images) - (batch["image"] - mean)).max() < 1 / 400


def test_steps_run_in_the_configured_order():
    batch = {"image": noise(64).astype(np.uint8), "label": np.zeros(64, np.int32)}
    both = [
        np.asarray(make_prepare(Data(augment=order), PLAIN, 3, train=True)(KEY, batch)[0])
        for order in (("flip", "shift"), ("shift", "flip"))
    ]
    flipped = spatial.flip(jax.random.fold_in(KEY, 0), batch["image"].astype(np.float32))
    expected = spatial.shift(jax.random.fold_in(KEY, 1), flipped, 4, ZERO)
    assert np.array_equal(both[0], expected) and not np.array_equal(both[0], both[1])


def test_mixup_and_cutmix_take_turns():
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.full((1, 8, 8, 3), 30, np.uint8)
    batch = {"image": images, "label": np.arange(8, dtype=np.int32)}
    prepare = jax.jit(make_prepare(Data(augment=("mixup", "cutmix")), PLAIN, 8, train=True))
    blended = 0
    for seed in range(60):
        mixed, targets = prepare(jax.random.key(seed), batch)
        assert np.asarray(targets).sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
        # Mixup leaves a constant image constant.
        blended += bool((np.ptp(np.asarray(mixed), axis=(1, 2, 3)) == 0).all())
    assert 15 < blended < 45


@pytest.mark.parametrize(
    "names",
    [("randaugment",), ("autoaugment",), ("shift", "distort", "erase", "mixup", "cutmix")],
)
def test_a_sharded_batch_is_augmented_the_same_without_gathering_it(names):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    preprocess = Preprocess(16, 3, mean=(120.0,) * 3, std=(60.0,) * 3)
    prepare = jax.jit(make_prepare(Data(augment=names), preprocess, 10, True, 0.1))
    batch = {"image": noise(16, 16).astype(np.uint8), "label": np.arange(16, dtype=np.int32) % 10}
    sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    program = prepare.lower(KEY, sharded).compile()
    assert not re.search(r"all-gather|all-to-all|all-reduce", program.as_text())
    for whole, split in zip(prepare(KEY, batch), program(KEY, sharded), strict=True):
        assert np.abs(np.asarray(whole) - np.asarray(split)).max() < 1e-4
    assert not np.array_equal(prepare(KEY, batch)[0], prepare(jax.random.key(1), batch)[0])
