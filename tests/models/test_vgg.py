"""VGG: the columns of table 1, dense evaluation, BatchNorm and initialisation."""

import jax
import numpy as np
import pytest
from networks import KEY, assert_smallest, build, initial, logits_shape, outputs, run, slide

from jaxcnn.models import create_model, vgg

SMALL = dict(hidden=(8, 8), num_classes=5)


def shapes_of(name, **fields):
    model = create_model(name, **fields)
    return jax.eval_shape(
        model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
    )


@pytest.mark.parametrize(
    ("name", "convs"),
    [
        ("vgg11", (1, 1, 2, 2, 2)),
        ("vgg13", (2, 2, 2, 2, 2)),
        ("vgg16_1x1", (2, 2, 3, 3, 3)),
        ("vgg16", (2, 2, 3, 3, 3)),
        ("vgg19", (2, 2, 4, 4, 4)),
    ],
)
def test_columns_of_table_1(name, convs):
    kernels = {layer: tree["kernel"].shape for layer, tree in shapes_of(name)["params"].items()}
    expected, before = {}, 3
    for block, (n, width) in enumerate(zip(convs, (64, 128, 256, 512, 512), strict=True), 1):
        for i in range(1, n + 1):
            window = (
                1 if name == "vgg16_1x1" and i == 3 else 3
            )  # column C: conv1-256, conv1-512, conv1-512
            expected[f"conv{block}_{i}"] = (window, window, before, width)
            before = width
    expected |= {"fc6": (25_088, 4096), "fc7": (4096, 4096), "fc8": (4096, 1000)}
    assert kernels == expected


def test_response_norm_stands_after_the_first_convolution_only():
    model, variables, images = build("vgg11_lrn", (1, 32, 32, 3), **SMALL)
    kept = outputs(model, variables, 100 * images)
    assert [layer for layer in kept if layer.startswith("norm")] == ["norm1_1"]
    x = np.maximum(kept["conv1_1"], 0).astype(np.float64)
    padded = np.pad(x**2, ((0, 0), (0, 0), (0, 0), (2, 2)))
    total = sum(padded[..., i : i + 64] for i in range(5))
    np.testing.assert_allclose(
        kept["norm1_1"], x / (2 + 1e-4 * total) ** 0.75, rtol=2e-4, atol=1e-5
    )  # AlexNet's constants
    np.testing.assert_array_equal(kept["pool1"][0, 0, 0], kept["norm1_1"][0, :2, :2].max((0, 1)))


def test_class_map_of_every_test_scale():
    # Section 3.2 and table 4: the side of the class map for an image of smallest side Q.
    sides = {224: 1, 256: 2, 288: 3, 352: 5, 384: 6, 416: 7, 512: 10}
    found = {q: logits_shape("vgg11", (1, q, q, 3), class_map=True) for q in sides}
    assert found == {q: (1, side, side, 1000) for q, side in sides.items()}


def test_dense_evaluation_slides_the_dense_layers():
    model, variables, images = build("vgg11", (2, 64, 96, 3), window=2, **SMALL)
    dense = outputs(model.clone(class_map=True), variables, images)
    layers = ["fc6", "fc7", "fc8"]
    np.testing.assert_allclose(
        dense[""], slide(dense["pool5"], layers, variables["params"]), rtol=1e-3, atol=1e-4
    )
    assert dense[""].shape == (2, 1, 2, 5)
    native = images[:, :, :64]
    np.testing.assert_allclose(
        run(model, variables, native),
        run(model.clone(class_map=True), variables, native).mean((1, 2)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_small_map_is_repeated_to_the_window():
    model, variables, images = build("vgg11", (2, 32, 32, 3), **SMALL)
    kept = outputs(model, variables, images)
    repeated = np.broadcast_to(kept["pool5"], (2, 7, 7, 512))
    expected = slide(repeated, ["fc6", "fc7", "fc8"], variables["params"])[:, 0, 0]
    np.testing.assert_allclose(kept[""], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "dense"),
    [("vgg11", 224), ("vgg16_bn", 224), ("vgg16_cifar10", 32), ("vgg11_d2l", 224)],
)
def test_sizes(name, dense):
    assert_smallest(name, 32)
    assert_smallest(name, dense, class_map=True)
    assert logits_shape(name, (2, 256, 50, 3)) == (2, create_model(name).num_classes)


def test_dropout_follows_fc6_and_fc7():
    model, variables, images = build("vgg11", (2, 32, 32, 1), window=1, **SMALL)
    kept = outputs(model, variables, images, train=True, rngs={"dropout": KEY(0)})
    for i, layer in enumerate(("fc6", "fc7")):
        alive, dropped = np.maximum(kept[layer], 0), kept[f"Dropout_{i}"]
        assert (
            np.isclose(dropped, 2 * alive, rtol=1e-5) | (dropped == 0)
        ).all()  # inverted: kept units are doubled
        assert (dropped[alive > 0] == 0).any() or i == 1
    assert "Dropout_2" not in kept
    plain = outputs(model, variables, images)
    np.testing.assert_array_equal(plain["Dropout_0"], np.maximum(plain["fc6"], 0))


def test_batch_norm_of_torchvision():
    params = shapes_of("vgg11_bn")["params"]
    convs = [layer for layer in params if layer.startswith("conv")]
    assert all(
        "bias" in params[layer] and set(params[layer.replace("conv", "bn")]) == {"scale", "bias"}
        for layer in convs
    )
    model, variables, images = build("vgg16_cifar10", (4, 32, 32, 3))
    kept = outputs(model, variables, images)
    stats, affine = variables["batch_stats"]["bn1_2"], variables["params"]["bn1_2"]
    expected = (kept["conv1_2"] - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * affine[
        "scale"
    ] + affine["bias"]
    np.testing.assert_allclose(kept["bn1_2"], expected, rtol=1e-3, atol=1e-4)
    assert [layer for layer in variables["params"] if layer.startswith("fc")] == [
        "fc6"
    ]  # one linear layer
    train = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]))
    _, updated = train(variables, images)
    moved = (
        updated["batch_stats"]["bn1_1"]["mean"] - 0.9 * variables["batch_stats"]["bn1_1"]["mean"]
    )
    np.testing.assert_allclose(moved, 0.1 * kept["conv1_1"].mean((0, 1, 2)), rtol=1e-3, atol=1e-5)


def test_initialisation_is_a_field():
    for init, fan_in_std in ((vgg.he_normal, (2 / 576) ** 0.5), (vgg.paper_init, 0.01)):
        kernel = init(KEY(0), (3, 3, 64, 64))
        assert np.std(kernel) == pytest.approx(fan_in_std, rel=0.05)
    params = initial("vgg11", (1, 32, 32, 3), kernel_init=vgg.paper_init, **SMALL)
    assert all(
        np.std(tree["kernel"]) == pytest.approx(0.01, rel=0.3) and not tree["bias"].any()
        for tree in params.values()
    )
