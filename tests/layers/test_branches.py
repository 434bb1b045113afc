"""The notation of Inception modules: how it is read, what its poolings compute, its geometry."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.layers.branches import ConvBN, Inception, read_branch, read_step, smallest_image


def test_a_forked_branch():
    trunk, fork = read_branch("1x1 64, 1x3 96 /2 V | 3x1 128", 2)
    assert [(s.name, s.kernel, s.features, s.stride, s.border) for s in trunk] == [
        ("branch2_conv1", (1, 1), 64, 1, "")
    ]
    assert [(s.name, s.kernel, s.features, s.stride, s.border) for s in fork] == [
        ("branch2_conv2a", (1, 3), 96, 2, "V"),
        ("branch2_conv2b", (3, 1), 128, 1, ""),
    ]


def test_names():
    names = [step.name for (step,) in read_branch("avg 3x3, 1x1 8, proj: 3x3 8", 4)]
    assert names == ["branch4_pool", "branch4_conv1", "proj"]


@pytest.mark.parametrize(
    "text",
    ["3x3", "max 3x3 64", "avg 3x3 /2 C", "3x3 96 C", "3x3 96 P", "3x3 96 V /2", "3 96", ""],
)
def test_other_notation_is_refused(text):
    with pytest.raises(ValueError, match="not a step"):
        read_step(text)


def run(branches, x, unit=None):
    module = Inception(branches, unit)
    return module.apply(module.init(jax.random.key(0), x), x)


def test_pools_side_by_side():
    x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    y = np.asarray(run(("max 3x3", "avg 3x3", "avg_inside 3x3"), x))
    padded = np.pad(np.arange(1.0, 17.0).reshape(4, 4), 1, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(4, 4, 9)
    np.testing.assert_allclose(y[0, ..., 0], np.nanmax(windows, -1))
    np.testing.assert_allclose(y[0, ..., 1], np.nansum(windows, -1) / 9, rtol=1e-6)
    np.testing.assert_allclose(y[0, ..., 2], np.nanmean(windows, -1), rtol=1e-6)


@pytest.mark.parametrize("side", range(2, 12))
def test_sides_of_strided_steps(side):
    x = jnp.zeros((1, side, side, 3))
    for text, expected in {
        "max 3x3 /2 C": -(-(side - 3) // 2) + 1,  # Caffe: ceil((n - k) / s) + 1
        "max 2x2 /2 C": -(-side // 2),
        "max 3x3 /2": -(-side // 2),
        "3x3 4 /2": -(-side // 2),  # so both fit in one module, on odd maps too
        "max 3x3 /2 V": (side - 3) // 2 + 1,
    }.items():
        if expected > 0:
            y = jax.eval_shape(lambda x, text=text: run((text,), x, functools.partial(ConvBN)), x)
            assert y.shape[1:3] == (expected, expected), text


def test_an_overhanging_window_takes_the_pixels_it_has():
    y = run(("max 3x3 /2 C",), -jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1))
    np.testing.assert_array_equal(np.asarray(y)[0, ..., 0], [[-1, -3], [-9, -11]])


@pytest.mark.parametrize("side", [1, 4, 5])
def test_an_evenly_padded_pool_starts_before_the_first_pixel(side):
    x = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    y = run(("max 3x3 /2 P",), jnp.asarray(x)[None, :, :, None])
    padded = np.pad(x, 1, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))[::2, ::2]
    np.testing.assert_array_equal(np.asarray(y)[0, ..., 0], windows.max((-1, -2)))


def test_smallest_image():
    assert smallest_image([("a", "7x7 64 /2"), ("b", "max 3x3 /2 C")]) == 3  # 3 -> 2 -> 1
    assert (
        smallest_image([("a", "3x3 8 /2 V"), ("b", ("1x1 8, 3x3 8 V", "max 3x3 V"))]) == 7
    )  # 7 -> 3 -> 1
