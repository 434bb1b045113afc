"""AlexNet against its paper: towers, normalisation, geometry, start; and figure 1's net."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import (
    KEY,
    assert_smallest,
    build,
    initial,
    logits_shape,
    outputs,
    response_norm,
    run,
    slide,
)

from jaxcnn import layers
from jaxcnn.models import _cuda_convnet, create_model

SMALL = dict(features=(8, 12, 8, 12, 8), hidden=16, num_classes=5)


def tower_gradients(layer, half, lrn=None, features=SMALL["features"]):
    """{layer: size of the gradient for each map of its kernel} of the maps `half` of `layer`."""
    model, variables, images = build(
        "alexnet", (1, 96, 96, 3), **{**SMALL, "features": features}, lrn=lrn
    )

    def score(params):
        _, kept = model.apply(
            {"params": params}, images, capture_intermediates=lambda module, _: module.name == layer
        )
        return jnp.sum(jnp.square(kept["intermediates"][layer]["__call__"][0][..., half]))

    gradients = jax.jit(jax.grad(score))(variables["params"])
    return {
        name: np.abs(tree["kernel"]).sum(tuple(range(tree["kernel"].ndim - 1)))
        for name, tree in gradients.items()
    }


@pytest.mark.parametrize(
    ("layer", "reads"), [("conv2", "conv1"), ("conv4", "conv3"), ("conv5", "conv4")]
)
def test_towers_do_not_see_each_other(layer, reads):
    width = dict(zip(("conv1", "conv2", "conv3", "conv4", "conv5"), SMALL["features"], strict=True))
    first, second = slice(0, width[layer] // 2), slice(width[layer] // 2, None)
    middle = width[reads] // 2
    of_first, of_second = (
        tower_gradients(layer, first)[reads],
        tower_gradients(layer, second)[reads],
    )
    assert (of_first[middle:] == 0).all() and (of_first[:middle] > 0).any()
    assert (of_second[:middle] == 0).all() and (of_second[middle:] > 0).any()


@pytest.mark.parametrize(
    ("layer", "reads"), [("conv3", "conv2"), ("conv6", "conv5"), ("fc6", "conv6")]
)
def test_towers_meet(layer, reads):
    found = tower_gradients(layer, slice(0, 4), features=(*SMALL["features"], 8))[reads]
    assert (found[: len(found) // 2] > 0).any() and (found[len(found) // 2 :] > 0).any()


def test_normalisation_follows_the_text_and_crosses_the_towers():
    # Over the merged maps a window of 5 reaches 2 maps into the other tower.
    found = tower_gradients("conv2", slice(0, 6), lrn=(2.0, 1.0), features=(12, 12, 8, 12, 8))[
        "conv1"
    ]
    assert (found[6:8] > 0).all() and (found[8:] == 0).all()


@pytest.mark.parametrize(
    ("name", "k", "alpha_on_sum"), [("alexnet", 2.0, 1e-4), ("caffenet", 1.0, 1e-4 / 5)]
)
def test_normalisation_and_order(name, k, alpha_on_sum):
    model, variables, images = build(name, (1, 99, 99, 3), **SMALL)
    kept = outputs(model, variables, 100 * images)
    conv1, norm1 = np.maximum(kept["conv1"], 0), kept["norm1"]
    if name == "alexnet":  # section 3.4 and 3.5: pooling follows normalisation
        before, after = conv1, kept["pool1"]
        pooled_from = norm1
    else:
        before, after = kept["pool1"], norm1
        pooled_from = conv1
    expected = response_norm(before, k, alpha_on_sum)
    assert (
        np.abs(expected / before.clip(1e-9) - k**-0.75)[before > 1].max() > 0.05
    )  # alpha matters here
    np.testing.assert_allclose(norm1, expected, rtol=2e-4, atol=1e-5)
    side = after.shape[1]
    windows = [
        pooled_from[:, i : i + 2 * side - 1 : 2, j : j + 2 * side - 1 : 2]
        for i in range(3)
        for j in range(3)
    ]  # overlapping
    np.testing.assert_array_equal(kept["pool1"], np.max(windows, axis=0))


def test_55_comes_out_of_224_and_of_227():
    fields = dict(features=(4, 4, 4, 4, 4), hidden=4, num_classes=3)
    model, variables, images = build("alexnet", (1, 227, 227, 3), **fields)
    assert outputs(model, variables, images[:, :224, :224])["conv1"].shape == (1, 55, 55, 4)
    kept = outputs(model, variables, images)
    unpadded = outputs(model.clone(stem=(11, 4, (0, 0))), variables, images)
    np.testing.assert_array_equal(
        kept["conv1"], unpadded["conv1"]
    )  # so Caffe's 227-pixel weights fit
    np.testing.assert_array_equal(kept[""], unpadded[""])


def test_the_sixth_convolution_starts_as_its_authors_had_it():
    fields = dict(features=(8, 12, 8, 12, 32, 64), hidden=4, num_classes=3)
    conv6 = initial("alexnet_6conv", (1, 64, 64, 3), **fields)["conv6"]
    assert conv6["kernel"].shape == (3, 3, 32, 64) and (conv6["bias"] == 1).all()
    assert np.std(conv6["kernel"]) == pytest.approx(0.03, rel=0.05)


@pytest.mark.parametrize("name", ["alexnet", "zfnet", "cuda_convnet"])
def test_pooling_without_overlap_makes_maps_of_the_same_size(name):
    """Section 3.4: s = 2, z = 2, "which produces output of equivalent dimensions"."""
    model = create_model(name)
    images = jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
    keep = dict(capture_intermediates=lambda module, _: "pool" in (module.name or ""))

    def maps(model):
        init = functools.partial(model.init, mutable=True, **keep)
        return jax.tree.map(
            jnp.shape, jax.eval_shape(init, jax.random.key(0), images)["intermediates"]
        )

    assert maps(model) == maps(model.clone(pooling=(2, 2)))
    assert_smallest(name, {"alexnet": 36, "zfnet": 48, "cuda_convnet": 5}[name], pooling=(2, 2))


def test_initialisation():
    params = initial("alexnet", (1, 64, 64, 3), num_classes=10, hidden=64)
    run = initial("alexnet", (1, 64, 64, 3), num_classes=10, hidden=64, deep_std=0.03)
    for layer, std in (("conv2", 0.01), ("conv3", 0.03), ("conv4", 0.03), ("conv5", 0.03)):
        assert np.std(run[layer]["kernel"]) == pytest.approx(std, rel=0.02), layer
    for name, tree in params.items():  # section 5
        np.testing.assert_array_equal(
            tree["bias"], 1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0
        )
        assert np.std(tree["kernel"]) == pytest.approx(0.01, rel=0.1), name
    caffe = create_model("caffenet")
    assert np.std(caffe.hidden_init(KEY(0), (100, 100))) == pytest.approx(0.005, rel=0.1)
    assert np.std(caffe.kernel_init(KEY(0), (100, 100))) == pytest.approx(0.01, rel=0.1)
    for name in ("alexnet_owt", "alexnet_d2l", "alexnet_cifar10"):
        assert create_model(name).biased == ()


@pytest.mark.parametrize(
    ("name", "shapes"),
    [("alexnet", [(2, 1, 1, 16), (2, 1, 1, 16)]), ("alexnet_owt", [(2, 6, 6, 8), (2, 1, 1, 16)])],
)
def test_dropout_stands_where_its_source_has_it(name, shapes):
    model, variables, images = build(name, (2, 67, 67, 3), **SMALL)
    dropped = outputs(model, variables, images, train=True, rngs={"dropout": KEY(0)})
    assert [dropped[f"Dropout_{i}"].shape for i in (0, 1)] == shapes and "Dropout_2" not in dropped
    a, b = (run(model, variables, images, train=True, dropout=seed) for seed in (0, 1))
    assert np.abs(a - b).max() > 1e-3
    np.testing.assert_array_equal(
        run(model, variables, images),
        run(model.clone(dropout_rate=0.0), variables, images, train=True),
    )


@pytest.mark.parametrize(
    ("name", "smallest", "dense"),
    [
        ("alexnet", 64, 224),
        ("caffenet", 67, 227),
        ("alexnet_owt", 63, 223),
        ("alexnet_half", 64, 224),
        ("alexnet_6conv", 64, 224),
        ("alexnet_d2l", 65, 193),
        ("alexnet_cifar10", 15, 31),
        ("cuda_convnet", 12, 32),
    ],
)
def test_sizes(name, smallest, dense):
    assert_smallest(name, smallest)
    assert_smallest(name, dense, class_map=True)
    classes = create_model(name).num_classes
    assert logits_shape(name, (1, dense + 40, dense + 10, 3)) == (1, classes)
    assert logits_shape(name, (1, dense, dense, 3), class_map=True) == (1, 1, 1, classes)


@pytest.mark.parametrize(
    ("name", "last", "size", "fields"),
    [
        ("alexnet", "pool5", (96, 128), {**SMALL, "window": 2}),
        ("alexnet_owt", "pool5", (96, 128), {**SMALL, "window": 2}),
        ("cuda_convnet", "pool3", (36, 44), {}),
    ],
)
def test_class_map_slides_the_dense_layers(name, last, size, fields):
    model, variables, images = build(name, (2, *size, 3), **fields)
    kept = outputs(model.clone(class_map=True), variables, images)
    layers = [layer for layer in ("fc6", "fc7", "fc8", "fc10") if layer in variables["params"]]
    expected = slide(kept[last], layers, variables["params"])
    assert expected.shape[1] >= 1 and expected.shape[2] >= 2
    np.testing.assert_allclose(kept[""], expected, rtol=1e-3, atol=1e-4)


def test_logits_are_the_class_map_at_the_native_size_and_of_the_averaged_map_elsewhere():
    model, variables, images = build("alexnet_cifar10", (2, 40, 40, 3), **SMALL)
    dense = model.clone(class_map=True)
    native = images[:, :32, :32]
    np.testing.assert_allclose(
        run(model, variables, native), run(dense, variables, native)[:, 0, 0], rtol=1e-5
    )
    kept = outputs(model, variables, images)
    pool5 = kept["pool5"]  # 4 x 4: bins 0-1, 1-2, 2-3 along each side
    assert pool5.shape[1:3] == (4, 4)
    rows = (pool5[:, :3] + pool5[:, 1:]) / 2
    averaged = (rows[:, :, :3] + rows[:, :, 1:]) / 2
    np.testing.assert_allclose(
        kept[""],
        slide(averaged, ["fc6", "fc7", "fc8"], variables["params"])[:, 0, 0],
        rtol=1e-4,
        atol=1e-5,
    )


def test_cuda_convnet_activation_is_a_field():
    model, variables, images = build("cuda_convnet", (2, 12, 12, 3))
    for name, function in (("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh)):
        kept = outputs(model.clone(activation=name), variables, images)
        np.testing.assert_allclose(kept["pool3"].shape, (2, 1, 1, 64))
        conv3 = function(kept["conv3"])  # [2, 3, 3, 64]
        np.testing.assert_allclose(kept["pool3"][:, 0, 0], conv3.mean((1, 2)), rtol=1e-4, atol=1e-5)
    assert logits_shape("cuda_convnet", (1, 32, 32, 3), activation=layers.Swish) == (1, 10)
    with pytest.raises(ValueError, match="no activation 'gelu': use one of relu, sigmoid, tanh"):
        logits_shape("cuda_convnet", (1, 32, 32, 3), activation="gelu")


def test_within_map_norm_reads_the_neighbours_of_a_map():
    x = 100 * np.random.default_rng(0).normal(size=(1, 5, 6, 2)).astype(np.float32)
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (1, 1), (1, 1), (0, 0))) ** 2
    mean = sum(padded[:, i : i + 5, j : j + 6] for i in range(3) for j in range(3)) / 9
    np.testing.assert_allclose(
        _cuda_convnet.WithinMapNorm().apply({}, x), x / (1 + 5e-5 * mean) ** 0.75, rtol=1e-5
    )
