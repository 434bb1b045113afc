"""Network in Network: its mlpconv stages, its pooled and its fully connected heads."""

import jax
import numpy as np
import pytest
from networks import KEY, assert_smallest, build, count, initial, logits_shape, outputs, run, slide

from jaxcnn.models import create_model

# nin_cifar10 on a diet: the same stages, fewer maps.
SMALL = dict(stages=(((8, 8, 6), 5, 1, 2), ((8, 8, 8), 5, 1, 2), ((8, 8), 3, 1, 1)), num_classes=5)


def test_mlpconv_layers_are_1x1_and_the_last_follows_the_classes():
    for name, last in (
        ("nin", {"cccp8"}),
        ("nin_cifar10", {"cccp6"}),
        ("nin_d2l", {"conv4", "cccp7", "cccp8"}),
    ):
        model = create_model(name, num_classes=7)
        shapes = jax.eval_shape(
            model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
        )["params"]
        windows = {layer: tree["kernel"].shape[:2] for layer, tree in shapes.items()}
        assert {windows[layer] for layer in windows if layer.startswith("cccp")} == {(1, 1)}
        assert {layer for layer in shapes if shapes[layer]["bias"].shape == (7,)} == last


def test_logits_are_the_mean_of_rectified_class_maps():
    model, variables, images = build("nin_cifar10", (2, 32, 24, 3), **SMALL)
    kept = outputs(model, variables, images)
    maps = np.maximum(kept["cccp6"], 0)
    assert maps.shape == (2, 8, 6, 5)
    np.testing.assert_allclose(kept[""], maps.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(run(model.clone(class_map=True), variables, images), maps, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "dropped"), [("nin_cifar10", [True, True]), ("nin", [False, False, True])]
)
def test_dropout_follows_the_pools_of_its_source(name, dropped):
    stages = (
        SMALL["stages"]
        if name == "nin_cifar10"
        else (((8, 8, 6), 11, 4, 0), *SMALL["stages"][1:], ((8, 8), 3, 1, 1))
    )
    stages = tuple(
        (s[0] if i in (0, 1, len(stages) - 1) else (8, 8, 8), *s[1:]) for i, s in enumerate(stages)
    )
    model, variables, images = build(name, (2, 99, 99, 3), **{**SMALL, "stages": stages})
    kept = outputs(model, variables, images, train=True, rngs={"dropout": KEY(0)})
    found = [
        not np.array_equal(kept[f"Dropout_{i}"], kept[f"pool{i + 1}"]) for i in range(len(dropped))
    ]
    assert found == dropped and f"Dropout_{len(dropped)}" not in kept
    kept = outputs(model, variables, images)
    assert all(
        np.array_equal(kept[f"Dropout_{i}"], kept[f"pool{i + 1}"]) for i in range(len(dropped))
    )


def test_cifar100_starts_with_three_deviations():
    params = initial("nin_cifar100", (1, 8, 8, 3))
    deviations = {"conv1": 0.001, "cccp1": 0.01, "cccp2": 0.01}
    for layer, tree in params.items():
        assert np.std(tree["kernel"]) == pytest.approx(deviations.get(layer, 0.05), rel=0.05)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_fully_connected_head_of_table_5(rate):
    model = create_model("nin_cifar10", fc_head=True, fc_dropout_rate=rate)
    shapes = jax.eval_shape(
        model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    )
    assert count(shapes) == 966_986 + 8 * 8 * 10 * 10 + 10
    model, variables, images = build(
        "nin_cifar10", (2, 32, 40, 3), fc_head=True, fc_dropout_rate=rate, dropout_rate=0.0, **SMALL
    )
    native = images[:, :, :32]
    kept = outputs(model, variables, native)
    maps = np.maximum(kept["cccp6"], 0)
    np.testing.assert_allclose(
        kept[""], slide(maps, ["fc"], variables["params"])[:, 0, 0], rtol=1e-4, atol=1e-5
    )
    a, b = (run(model, variables, native, train=True, dropout=seed) for seed in (0, 1))
    assert np.array_equal(a, b) == (rate == 0.0)
    dense = outputs(model.clone(class_map=True), variables, images)
    np.testing.assert_allclose(
        dense[""],
        slide(np.maximum(dense["cccp6"], 0), ["fc"], variables["params"]),
        rtol=1e-4,
        atol=1e-5,
    )
    assert dense[""].shape == (2, 1, 3, 5)


@pytest.mark.parametrize(
    ("name", "smallest", "dense"),
    [("nin", 55, 199), ("nin_cifar10", 6, 32), ("nin_mnist", 6, 28), ("nin_d2l", 67, 195)],
)
def test_sizes(name, smallest, dense):
    assert_smallest(name, smallest)
    assert_smallest(name, smallest, class_map=True)
    assert_smallest(name, smallest, fc_head=True)
    assert_smallest(name, dense, fc_head=True, class_map=True)
    classes = create_model(name).num_classes
    assert logits_shape(name, (2, 227, 250, 1)) == (2, classes)


def test_imagenet_initialisation_has_two_deviations():
    params = initial("nin", (1, 55, 55, 3), num_classes=50)
    for layer, tree in params.items():
        assert np.std(tree["kernel"]) == pytest.approx(
            0.01 if layer in ("conv1", "conv3", "cccp8") else 0.05, rel=0.05
        )
