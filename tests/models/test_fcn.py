"""Fully convolutional networks: geometry, conversion from classifiers, upsampling, a torch twin."""

import jax
import numpy as np
import pytest
import torch
from networks import build, initial, logits_shape, outputs, run
from torch_fcn import TorchFCN, bilinear

from jaxcnn.layers.geometry import Window
from jaxcnn.layers.upsample import Upsample, bilinear_kernel
from jaxcnn.models import create_model
from jaxcnn.models.fcn import _vgg as vgg_rows

NARROW = dict(
    trunk=vgg_rows((1, 1, 2, 1, 1), (4, 4, 6, 6, 8)), hidden=(10, 10), num_classes=5
)  # fields of the fcn*_vgg16, with few convolutions and narrow ones


@pytest.mark.parametrize(
    ("name", "padding", "skips", "last", "crop"),
    [
        # Caffe's definitions have these numbers typed in.
        ("fcn32s_vgg16", 100, [], (64, 32), 19),
        ("fcn16s_vgg16", 100, [5], (32, 16), 27),
        ("fcn8s_vgg16", 100, [5, 9], (16, 8), 31),
        ("fcn32s_alexnet", 100, [], (63, 32), 18),
    ],
)
def test_the_papers_padding_and_crops_come_out(name, padding, skips, last, crop):
    model = create_model(name)
    assert model.padding == padding
    for side in (1, 31, 224, 375, 500):
        plan = model.plan(side)
        assert [theirs.start for _, _, theirs in plan.fusions] == skips
        assert [ours.start for _, ours, _ in plan.fusions] == [0] * len(skips)
        assert (plan.last[:2], plan.crop, plan.covered) == (last, crop, True)


@pytest.mark.parametrize("size", [(375, 500), (1, 1), (33, 64), (500, 334)])
@pytest.mark.parametrize(
    "name", ["fcn8s_vgg16", "fcn32s_alexnet", "fcn32s_googlenet", "fcn8s_small"]
)
def test_as_many_scores_as_pixels(name, size):
    assert logits_shape(name, (2, *size, 3), num_classes=7) == (2, *size, 7)


@pytest.mark.parametrize(
    ("name", "classifier", "dropped"),
    [
        ("fcn8s_vgg16", "vgg16", {"fc8"}),
        ("fcn32s_alexnet", "caffenet", {"fc8"}),
        ("fcn32s_googlenet", "googlenet", {"fc", "aux1", "aux2"}),
    ],
)
def test_layers_are_the_classifiers(name, classifier, dropped):
    """By name and shape, so that its weights are taken over; only scores and upsampling are new."""
    found, given = (
        jax.eval_shape(
            create_model(model).init,
            jax.random.key(0),
            jax.ShapeDtypeStruct((1, 227, 227, 3), np.float32),
        )["params"]
        for model in (name, classifier)
    )
    shared = found.keys() & given.keys()
    assert given.keys() - shared == dropped
    assert all("score" in layer for layer in found.keys() - shared)
    assert {k: jax.tree.map(np.shape, found[k]) for k in shared} == {
        k: jax.tree.map(np.shape, given[k]) for k in shared
    }


@pytest.mark.slow
def test_conversion_is_sliding_the_classifier():
    """CaffeNet on the padded image, slid over its last map, against the map that FCN scores."""
    model, variables, images = build("fcn32s_alexnet", (1, 27, 59, 3), hidden=(12, 12))
    classifier = create_model("caffenet", hidden=12, class_map=True, num_classes=3)
    zeros = {"kernel": np.zeros((12, 3), np.float32), "bias": np.zeros(3, np.float32)}
    params = {k: v for k, v in variables["params"].items() if k != "score_fr"} | {"fc8": zeros}
    # 227 x 259: sizes at which no window overhangs, which the classifier would round down.
    padded = np.pad(images, ((0, 0), (100, 100), (100, 100), (0, 0)))
    slid = outputs(classifier, {"params": params}, padded)["relu7"]
    ours = outputs(model, variables, images)["relu7"]
    assert ours.shape == (1, 1, 2, 12)
    np.testing.assert_allclose(ours, slid, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "skips"), [("fcn8s_vgg16", 2), ("fcn32s_vgg16", 0)])
def test_torch_twin(name, skips):
    model, variables, images = build(name, (2, 45, 70, 3), **NARROW)
    twin = TorchFCN(variables["params"], (1, 1, 2, 1, 1), 7, model.skips)
    assert len(model.skips) == skips
    with torch.no_grad():
        expected = twin(torch.from_numpy(images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    found = run(model, variables, images)
    assert found.shape == (2, 45, 70, 5) and np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def transposed(x, window, weights):
    """PyTorch's ConvTranspose2d of x [B, H, W, C] by weights [C, C, k, k]."""
    y = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x).permute(0, 3, 1, 2), weights, stride=window.stride
    )
    return y.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("window", [Window(4, 2), Window(16, 8), Window(63, 32)])
def test_upsampling_is_torchs_bilinear_transposed_convolution(window):
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 3), np.float32)
    everything = slice(None)
    expected = transposed(x, window, bilinear(window.size, 3))
    fixed = Upsample((window, window), everything, everything)
    np.testing.assert_allclose(fixed.apply({}, x), expected, rtol=1e-5, atol=1e-6)
    learned = Upsample((window, window), slice(1, 4), slice(2, 9), learned=True)
    variables = learned.init(jax.random.key(0), x)
    np.testing.assert_array_equal(
        variables["params"]["kernel"], bilinear_kernel((window, window), 3)
    )
    np.testing.assert_allclose(
        learned.apply(variables, x), expected[:, 1:4, 2:9], rtol=1e-5, atol=1e-6
    )
    kernel = np.random.default_rng(1).standard_normal((*(window.size,) * 2, 3, 3), np.float32)
    weights = torch.from_numpy(kernel).permute(2, 3, 0, 1)
    np.testing.assert_allclose(
        learned.apply({"params": {"kernel": kernel}}, x),
        transposed(x, window, weights)[:, 1:4, 2:9],
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("stride", [2, 8])
def test_inside_it_is_bilinear_interpolation(stride):
    x = np.random.default_rng(0).standard_normal((1, 6, 7, 2), np.float32)
    part = slice(stride // 2, None)  # half a window before the first pixel
    found = Upsample((Window(2 * stride, stride),) * 2, part, part).apply({}, x)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2),
        scale_factor=stride,
        mode="bilinear",
        align_corners=False,
    )
    expected = expected.permute(0, 2, 3, 1).numpy()
    inner = np.s_[:, stride:-stride, stride:-stride]  # the edges see zeros, not copies
    h, w = expected.shape[1:3]
    np.testing.assert_allclose(
        np.asarray(found)[:, :h, :w][inner], expected[inner], rtol=1e-5, atol=1e-6
    )


def test_scores_start_at_zero_and_dropout_drops():
    params = initial("fcn8s_small", (1, 32, 32, 3))
    scores = [name for name in params if name.startswith("score")]
    assert sorted(scores) == ["score_fr", "score_pool3", "score_pool4"]
    assert not any(np.any(params[name]["kernel"]) for name in scores)
    model, variables, images = build("fcn32s_small", (1, 32, 32, 3), dropout_rate=0.5)
    one, other = (run(model, variables, images, train=True, dropout=seed) for seed in (0, 1))
    assert np.any(one != other)


def test_which_transposed_convolutions_learn():
    def kernels(**fields):
        model = create_model("fcn8s_small", **fields)
        images = jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32)
        params = jax.eval_shape(model.init, jax.random.key(0), images)["params"]
        return sorted(name for name in params if name.startswith("upscore"))

    assert kernels() == ["upscore_pool3", "upscore_pool4"]
    assert kernels(learned=False) == []
    assert kernels(last_learned=True) == ["upscore", "upscore_pool3", "upscore_pool4"]
