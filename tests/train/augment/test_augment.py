"""Device augmentation: each function against its definition, its statistics, and Pillow where that has the same operation."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess, encode_pixel_mean
from jaxcnn.errors import DataError
from jaxcnn.train.augment import batch as batch_lib
from jaxcnn.train.augment import randaugment
from jaxcnn.train.augment.warp import affine, warp

KEY = jax.random.key(0)
ZERO = np.zeros((1, 1, 3), np.float32)
PLAIN = Preprocess(8, 3, mean=(0.0,) * 3, std=(1.0,) * 3)


def noise(batch, size=8, channels=3, seed=0):
    return (
        np.random.default_rng(seed)
        .integers(0, 256, (batch, size, size, channels))
        .astype(np.float32)
    )


def copies(batch, size=8, channels=3):
    """The same image `batch` times, so that differences are the augmentation's."""
    return np.repeat(noise(1, size, channels), batch, axis=0)


def test_flip_mirrors_half():
    images = copies(4000)
    flipped = np.asarray(jax.jit(batch_lib.flip)(KEY, images))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored ^ (flipped == images).all(axis=(1, 2, 3))).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.03)


def test_shift_is_pad_and_random_crop():
    images = copies(2000)
    fill = np.arange(192, dtype=np.float32).reshape(8, 8, 3)
    moved = np.asarray(jax.jit(batch_lib.shift, static_argnums=2)(KEY, images, 2, fill))
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), constant_values=-1)
    counts = {}
    for image in moved:
        for dy, dx in np.ndindex(5, 5):
            crop = padded[dy : dy + 8, dx : dx + 8]
            if np.array_equal(image, np.where(crop < 0, fill, crop)):
                counts[dy, dx] = counts.get((dy, dx), 0) + 1
    assert sum(counts.values()) == 2000 and len(counts) == 25
    assert sum((n - 80) ** 2 / 80 for n in counts.values()) < 24 + 5 * math.sqrt(48)


def test_zero_padding_after_the_mean_is_padding_with_the_mean():
    """ResNet section 4.2 pads the normalised image with zeros."""
    preprocess = Preprocess(8, 3, mean=(10.0, 100.0, 200.0), std=(2.0, 4.0, 8.0))
    prepare = batch_lib.make_prepare(Data(augment=("shift",), shift=8), preprocess, 10, train=True)
    images, _ = jax.jit(prepare)(
        KEY, {"image": np.full((64, 8, 8, 3), 255, np.uint8), "label": np.zeros(64, np.int32)}
    )
    values = np.unique(np.asarray(images).reshape(-1, 3), axis=0)
    assert values.tolist() == [[0, 0, 0], [122.5, 38.75, 6.875]]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (dict(), lambda x: x),
        (dict(angle=math.pi / 2), lambda x: np.rot90(x)),
        (dict(move=(1, -2)), lambda x: np.pad(x, ((1, 0), (0, 2), (0, 0)))[:8, 2:]),
        (dict(scale=(-1, 1)), lambda x: x[::-1]),
        (dict(scale=(3, 3)), None),
    ],
)
def test_the_affine_map(parameters, expected):
    images = noise(2)
    matrix, move = affine(
        angle=jnp.full(2, parameters.get("angle", 0.0)),
        scale=jnp.array([parameters.get("scale", (1, 1))] * 2, jnp.float32),
        shear=jnp.zeros((2, 2)),
        move=jnp.array([parameters.get("move", (0, 0))] * 2, jnp.float32),
    )
    warped = np.asarray(jax.jit(warp)(images, matrix, move, ZERO))
    if expected:
        assert np.abs(warped[0] - expected(images[0])).max() < 1e-3
    else:  # each pixel becomes a square of nine; the centre of the second from the top left shows
        assert np.abs(warped[0, 2, 2] - images[0, 3, 3]).max() < 1e-3


def test_the_affine_map_agrees_with_pillow():
    size = 32
    image = np.asarray(
        Image.fromarray(noise(1, 8)[0].astype(np.uint8)).resize(
            (size, size), Image.Resampling.BICUBIC
        )
    )
    angle, scale, shear, move = 0.3, (1.1, 0.9), (0.0, 0.2), (1.5, -2.0)
    matrix, shift = affine(
        jnp.array([angle]), jnp.array([scale]), jnp.array([shear]), jnp.array([move])
    )
    warped = np.asarray(jax.jit(warp)(image[None].astype(np.float32), matrix, shift, ZERO))[0]
    inverse = np.linalg.inv(np.asarray(matrix[0], np.float64))[
        ::-1, ::-1
    ]  # Pillow's order: x, y; the inverse map
    offset = size / 2 - inverse @ (size / 2 + np.array(move[::-1]))
    coefficients = [*inverse[0], offset[0], *inverse[1], offset[1]]
    expected = np.asarray(
        Image.fromarray(image).transform(
            (size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
        )
    )
    inside = slice(8, -8)
    assert np.abs(warped[inside, inside] - expected[inside, inside]).max() <= 1.01


def test_distortions_stay_in_their_ranges_and_centre_on_nothing():
    spot = np.zeros((3000, 33, 33, 1), np.float32)
    spot[:, 16, 26] = 255.0  # ten pixels right of the centre
    moved = np.asarray(
        jax.jit(batch_lib.distort, static_argnums=2)(
            KEY, spot, (12.0, 0.12, 0.12, 2.5), np.zeros((1, 1, 1))
        )
    )
    weight = moved[..., 0] / moved.sum(axis=(1, 2, 3))[:, None, None]
    grid = np.arange(33) - 16
    y, x = (weight * grid[:, None]).sum(axis=(1, 2)), (weight * grid[None]).sum(axis=(1, 2))
    assert x.mean() == pytest.approx(10 * 0.9927, abs=0.12) and y.mean() == pytest.approx(
        0, abs=0.12
    )  # sin(12 deg) / 12 deg
    assert x.var() == pytest.approx(2.5**2 / 3 + (10 * 0.12) ** 2 / 3, rel=0.1)
    assert y.var() == pytest.approx(2.5**2 / 3 + (10 * math.radians(12)) ** 2 / 3, rel=0.1)
    assert np.abs(x - 10).max() < 10 * 0.12 + 2.5 + 0.5


def test_pca_colour_has_the_covariance_of_the_pixels_it_was_measured_on(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(5000, 3)) @ np.array([[40, 10, 0], [5, 30, 8], [0, 0, 20.0]])
    variances, axes = np.linalg.eigh(np.cov(pixels.T))
    np.savez(tmp_path / "pca.npz", deviations=np.sqrt(variances), axes=axes)
    data = Data(augment=("pca_color",), pca=str(tmp_path / "pca.npz"), pca_std=0.5)
    batch = {"image": np.full((20000, 2, 2, 3), 128, np.uint8), "label": np.zeros(20000, np.int32)}
    prepare = batch_lib.make_prepare(
        data, Preprocess(2, 3, mean=(128.0,) * 3, std=(1.0,) * 3), 10, train=True
    )
    images, _ = jax.jit(prepare)(KEY, batch)
    images = np.asarray(images)
    assert np.ptp(images, axis=(1, 2)).max() == 0  # one colour an image
    assert np.cov(images[:, 0, 0].T) == pytest.approx(
        0.25 * np.cov(pixels.T), abs=0.03 * 0.25 * np.cov(pixels.T).max()
    )
    assert images.mean() == pytest.approx(0, abs=0.3)
    np.savez(tmp_path / "other.npz", deviations=np.ones(2), axes=axes)
    for name, expected in (("other.npz", "expected deviations"), ("gone.npz", "cannot be read")):
        with pytest.raises(DataError, match=expected):
            batch_lib.make_prepare(
                Data(augment=("pca_color",), pca=str(tmp_path / name)), PLAIN, 10, train=True
            )


def test_pca_colour_needs_colour():
    with pytest.raises(DataError, match="the images are grey"):
        batch_lib.make_prepare(
            Data(augment=("pca_color",)), Preprocess(8, 1, mean=(0.0,), std=(1.0,)), 10, train=True
        )


def test_color_jitter():
    images = np.full((4000, 4, 4, 3), 100, np.float32)
    images[:, :2] = (120, 90, 60)
    light = np.array([120, 90, 60]) @ np.array([0.299, 0.587, 0.114])
    jitter = jax.jit(batch_lib.color_jitter, static_argnums=2)
    only = [
        np.asarray(jitter(KEY, images, amounts))
        for amounts in ((0.4, 0.0, 0.0), (0.0, 0.4, 0.0), (0.0, 0.0, 0.4))
    ]
    brightness = only[0][:, 3, 3, 0] / 100
    assert np.abs(only[0] - images * brightness[:, None, None, None]).max() < 1e-3
    contrast = (only[1][:, 3, 3, 0] - (100 + light) / 2) / ((100 - light) / 2)
    assert (
        np.abs(
            only[1]
            - (100 + light) / 2
            - (images - (100 + light) / 2) * contrast[:, None, None, None]
        ).max()
        < 1e-2
    )
    saturation = (only[2][:, 0, 0, 0] - light) / (120 - light)
    assert np.abs(only[2][:, 3, 3] - 100).max() < 1e-3
    for factor in (brightness, contrast, saturation):
        assert factor.mean() == pytest.approx(1, abs=0.02) and factor.var() == pytest.approx(
            0.8**2 / 12, rel=0.1
        )
        assert factor.min() > 0.599 and factor.max() < 1.401


def test_erase():
    images = np.full((4000, 32, 32, 3), 7, np.float32)
    fill = np.array([1.0, 2.0, 3.0], np.float32).reshape(1, 1, 3)
    erased = np.asarray(jax.jit(batch_lib.erase, static_argnums=2)(KEY, images, 0.25, fill))
    hit = (erased != 7).any(axis=(1, 2, 3))
    assert hit.mean() == pytest.approx(0.25, abs=0.025)
    holes = erased[hit][..., 0] == 1
    assert (erased[hit][holes] == fill.reshape(3)).all()
    heights, widths = holes.any(axis=2).sum(axis=1), holes.any(axis=1).sum(axis=1)
    assert np.array_equal(heights * widths, holes.sum(axis=(1, 2)))  # one full box each
    area = heights * widths / 1024
    assert (
        area.min() > 0.012
        and area.max() < 0.36
        and area.mean() == pytest.approx((0.02 + 1 / 3) / 2, abs=0.015)
    )
    assert np.log(heights / widths).mean() == pytest.approx(0, abs=0.1)


def test_mixup():
    images, targets = noise(4000, 2), np.eye(4, dtype=np.float32)[np.arange(4000) % 4]
    mixed, soft = (
        np.asarray(a) for a in jax.jit(batch_lib.mixup, static_argnums=3)(KEY, images, targets, 0.5)
    )
    share = soft[np.arange(4000), np.arange(4000) % 4]
    assert soft.sum(axis=1) == pytest.approx(np.ones(4000), abs=1e-6)
    wide = share[:, None, None, None]
    assert np.abs(mixed - (wide * images + (1 - wide) * np.roll(images, 1, axis=0))).max() < 1e-3
    assert share.mean() == pytest.approx(0.5, abs=0.025) and share.var() == pytest.approx(
        1 / 8, rel=0.06
    )  # Beta(1/2, 1/2)


def test_cutmix():
    images = np.repeat(
        np.arange(2000, dtype=np.float32)[:, None, None, None], 16, axis=1
    ) * np.ones((1, 1, 16, 1), np.float32)
    targets = np.eye(2, dtype=np.float32)[np.arange(2000) % 2]
    mixed, soft = (
        np.asarray(a)
        for a in jax.jit(batch_lib.cutmix, static_argnums=3)(KEY, images, targets, 1.0)
    )
    pasted = mixed != images
    assert np.array_equal(mixed[pasted], np.roll(images, 1, axis=0)[pasted])
    share = soft[np.arange(2000), np.arange(2000) % 2]
    assert share == pytest.approx(1 - pasted.mean(axis=(1, 2, 3)), abs=1e-6)
    assert 0.55 < share.mean() < 0.75  # uniform, 0.5, but for the boxes cut off at the edges


apply = jax.jit(randaugment.apply, static_argnums=3)

PILLOW = {
    "identity": lambda image, s: image,
    "brightness": lambda image, s: ImageEnhance.Brightness(image).enhance(1 + 0.9 * s),
    "color": lambda image, s: ImageEnhance.Color(image).enhance(1 + 0.9 * s),
    "contrast": lambda image, s: ImageEnhance.Contrast(image).enhance(1 + 0.9 * s),
    "sharpness": lambda image, s: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * s),
    "posterize": lambda image, s: ImageOps.posterize(image, 8 - round(4 * abs(s))),
    "solarize": lambda image, s: ImageOps.solarize(image, 256 * (1 - abs(s))),
    "autocontrast": lambda image, s: ImageOps.autocontrast(image),
    "equalize": lambda image, s: ImageOps.equalize(image),
}


@pytest.mark.parametrize("strength", [0.5, -0.25, 1.0])
def test_randaugment_operations_are_pillows(strength):
    photo = (
        Image.fromarray(noise(1, 6)[0].astype(np.uint8))
        .resize((24, 24), Image.Resampling.BICUBIC)
        .filter(ImageFilter.GaussianBlur(1))
    )
    chosen = np.array([randaugment.OPERATIONS.index(name) for name in PILLOW])
    images = np.repeat(np.asarray(photo, np.float32)[None], len(chosen), axis=0)
    sign = np.full(len(chosen), math.copysign(1.0, strength), np.float32)
    results = apply(images, chosen, sign, abs(strength), ZERO)
    for name, result in zip(PILLOW, results, strict=True):
        assert (
            np.abs(np.asarray(result) - np.asarray(PILLOW[name](photo, strength), np.float32)).max()
            <= 1.5
        ), name


def test_randaugment_geometry():
    spot = np.zeros((5, 33, 33, 3), np.float32)
    spot[:, 8, 16] = 255.0  # eight rows above the centre
    names = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
    chosen = jnp.array([randaugment.OPERATIONS.index(name) for name in names])
    moved = np.asarray(apply(spot, chosen, jnp.ones(5), 0.5, ZERO))[..., 0]
    weight = moved / moved.sum(axis=(1, 2), keepdims=True)
    grid = np.arange(33) - 16.0
    place = np.stack(
        [(weight * grid[:, None]).sum(axis=(1, 2)), (weight * grid[None]).sum(axis=(1, 2))], axis=1
    )
    turned = [-8 * math.cos(math.radians(15)), -8 * math.sin(math.radians(15))]
    step = 0.5 * 150 / 331 * 33
    assert np.abs(place[0]) == pytest.approx(np.abs(turned), abs=0.3)
    assert place[1:].tolist() == [
        pytest.approx(p, abs=0.3) for p in ([-8, -8 * 0.15], [-8, 0], [-8, step], [-8 + step, 0])
    ]


def test_randaugment_draws_every_operation_equally():
    images = np.repeat(noise(1, 8), 700, axis=0)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    layered = np.asarray(
        jax.jit(randaugment.randaugment, static_argnums=(2, 3))(KEY, images, 1, 10.0, fill=ZERO)
    )
    kinds, counts = np.unique(layered.reshape(700, -1).round(2), axis=0, return_counts=True)
    assert (
        len(kinds) == 21 and counts.max() < 180
    )  # posterize, solarize, and nine with two directions
    # Autocontrast leaves an image from 0 to 255 alone, equalize one of fewer than 255 pixels.
    assert (layered == images).all(axis=(1, 2, 3)).mean() == pytest.approx(3 / 14, abs=0.045)


def test_prepare_normalises_and_smooths():
    preprocess = Preprocess(8, 3, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0))
    batch = {"image": noise(4).astype(np.uint8), "label": np.array([0, 2, 1, 2], np.int32)}
    for train, smoothing, on, off in ((False, 0.3, 1.0, 0.0), (True, 0.3, 0.8, 0.1)):
        images, targets = batch_lib.make_prepare(
            Data(), preprocess, 3, train=train, label_smoothing=smoothing
        )(None if not train else KEY, batch)
        assert (
            np.abs(
                np.asarray(images) - (batch["image"] - np.array([10, 20, 30])) / np.array([2, 4, 5])
            ).max()
            < 1e-5
        )
        assert np.asarray(targets) == pytest.approx(
            np.where(np.eye(3)[batch["label"]] == 1, on, off), abs=1e-6
        )
    mean = np.random.default_rng(1).uniform(0, 255, (8, 8, 3))
    by_pixel = Preprocess(8, 3, mean=(), std=(1.0,) * 3, pixel_mean=encode_pixel_mean(mean))
    images, _ = batch_lib.make_prepare(Data(), by_pixel, 3, train=False)(None, batch)
    assert np.abs(np.asarray(images) - (batch["image"] - mean)).max() < 1 / 400


def test_steps_run_in_the_configured_order():
    batch = {"image": noise(64).astype(np.uint8), "label": np.zeros(64, np.int32)}
    both = [
        np.asarray(batch_lib.make_prepare(Data(augment=order), PLAIN, 3, train=True)(KEY, batch)[0])
        for order in (("flip", "shift"), ("shift", "flip"))
    ]
    expected = batch_lib.shift(
        jax.random.fold_in(KEY, 1),
        batch_lib.flip(jax.random.fold_in(KEY, 0), batch["image"].astype(np.float32)),
        4,
        ZERO,
    )
    assert np.array_equal(both[0], expected) and not np.array_equal(both[0], both[1])


def test_mixup_and_cutmix_take_turns():
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.full((1, 8, 8, 3), 30, np.uint8)
    batch = {"image": images, "label": np.arange(8, dtype=np.int32)}
    prepare = jax.jit(
        batch_lib.make_prepare(Data(augment=("mixup", "cutmix")), PLAIN, 8, train=True)
    )
    blended = 0
    for seed in range(60):
        mixed, targets = prepare(jax.random.key(seed), batch)
        assert np.asarray(targets).sum(axis=1) == pytest.approx(np.ones(8), abs=1e-5)
        blended += bool(
            (np.ptp(np.asarray(mixed), axis=(1, 2, 3)) == 0).all()
        )  # mixup leaves a constant image constant
    assert 15 < blended < 45


@pytest.mark.parametrize(
    "names", [("randaugment",), ("shift", "distort", "erase", "mixup", "cutmix")]
)
def test_a_sharded_batch_is_augmented_the_same_without_gathering_it(names):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    prepare = jax.jit(
        batch_lib.make_prepare(
            Data(augment=names),
            Preprocess(16, 3, mean=(120.0,) * 3, std=(60.0,) * 3),
            10,
            True,
            0.1,
        )
    )
    batch = {"image": noise(16, 16).astype(np.uint8), "label": np.arange(16, dtype=np.int32) % 10}
    sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))
    program = prepare.lower(KEY, sharded).compile()
    assert not re.search(r"all-gather|all-to-all|all-reduce", program.as_text())
    for whole, split in zip(prepare(KEY, batch), program(KEY, sharded), strict=True):
        assert np.abs(np.asarray(whole) - np.asarray(split)).max() < 1e-4
    assert not np.array_equal(prepare(KEY, batch)[0], prepare(jax.random.key(1), batch)[0])
