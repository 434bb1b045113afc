"""Class activation maps: the identities that tie them to the logits, and ablation by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from networks import build, close, run, without_biases

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import FEATURES, capture, gradient_at, with_layer_changed
from jaxcnn.interpret.class_activation import (
    METHODS,
    ablation_cam,
    cam,
    class_map,
    grad_cam,
    hires_cam,
)

# One network a family with global average pooling.
POOLED = {
    "resnet20": {},
    "nin_cifar10": {},
    "efficientnet_b0": {"num_classes": 7},
}
NATIVE = {
    "resnet18": {"num_classes": 7},
    "inception_v3": {"num_classes": 7},
    "googlenet_bn": {"num_classes": 7},
}
NIN_HEAD = "cccp6"  # whose maps are rectified: there the bias is that of an empty map


def identities(name, fields, size):
    model, variables, images = build(name, (2, *size, 3), **fields)
    images = jnp.asarray(images)
    logits = run(model, variables, images)
    maps = np.asarray(cam(model, variables, images))  # [B, h, w, K]
    params = variables["params"]
    linear = NIN_HEAD not in params
    bias = params["fc"]["bias"] if linear else np.maximum(params[NIN_HEAD]["bias"], 0)
    close(maps.mean(axis=(1, 2)) + bias, logits)
    close(class_map(model, variables, images), maps + bias)
    classes = jnp.asarray([2, 5])
    one = cam(model, variables, images, classes)
    close(one, maps[np.arange(2), :, :, np.asarray(classes)])
    if linear:
        positions = one.shape[1] * one.shape[2]
        found = grad_cam(model, variables, images, classes)
        close(found * positions, np.maximum(one, 0), 1e-4)


@pytest.mark.parametrize(
    "name", [*sorted(POOLED), pytest.param("googlenet", marks=pytest.mark.slow)]
)
def test_maps_average_to_logits_and_grad_cam_is_cam(name):
    identities(name, POOLED.get(name, {"num_classes": 7}), (64, 80))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NATIVE))
@pytest.mark.parametrize(
    "size", [(224, 224), pytest.param((256, 320), marks=pytest.mark.exhaustive)]
)
def test_maps_average_to_logits_at_the_native_size(name, size):
    identities(name, NATIVE[name], size)


def test_without_padding_a_class_map_holds_the_logits_of_every_crop():
    """LeNet halves its map twice, so its classifier moves by 4 pixels."""
    model, variables, images = build("lenet", (2, 44, 40, 1))
    maps = np.asarray(class_map(model, variables, jnp.asarray(images)))
    assert maps.shape[1:3] == (4, 3)
    for i in range(4):
        for j in range(3):
            crop = images[:, 4 * i : 4 * i + 32, 4 * j : 4 * j + 32]
            close(maps[:, i, j], run(model, variables, crop), 1e-4)


def test_without_biases_the_map_of_hires_cam_sums_to_the_logit():
    model, variables, images = build("nin_cifar10", (2, 32, 32, 3))
    variables, images = without_biases(variables), jnp.asarray(images)
    classes = jnp.asarray([1, 4])
    logits = run(model, variables, images)[[0, 1], [1, 4]]
    maps = hires_cam(model, variables, images, classes, layer="pool1", rectify=False)
    close(np.asarray(maps).sum(axis=(1, 2)), logits, 1e-4)


def test_fully_connected_heads_have_no_class_activation_maps():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match="fully connected"):
        cam(model, variables, jnp.asarray(images), [1])


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_gives_a_map_for_every_image_and_its_own_class(method):
    model, variables, images = build("lenet", (3, 32, 32, 1))
    images, classes = jnp.asarray(images), jnp.asarray([0, 3, 7])
    maps = np.asarray(METHODS[method](model, variables, images, classes))
    assert maps.shape == (3, 5, 5) and np.isfinite(maps).all() and (maps >= 0).all()
    for row, number in enumerate([0, 3, 7]):  # a batch of classes is what single images give
        alone = METHODS[method](model, variables, images[row : row + 1], jnp.asarray([number]))
        close(maps[row], np.asarray(alone)[0], 1e-4)


def test_ablation_weights_are_the_shares_lost_without_a_channel():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    images = jnp.asarray(images)
    found = ablation_cam(model, variables, images, [4], rectify=False)
    features = np.asarray(capture(model, variables, images, [FEATURES])[FEATURES])  # [1, 5, 5, 16]
    whole = float(model.apply(variables, images)[0, 4])
    total = np.zeros(features.shape[1:3])
    for channel in range(features.shape[3]):
        off = np.ones((1, 1, 1, features.shape[3]), np.float32)
        off[..., channel] = 0
        logits = with_layer_changed(model, variables, images, FEATURES, lambda x, off=off: x * off)
        total += (whole - float(logits[0, 4])) / whole * features[0, :, :, channel]
    close(np.asarray(found)[0], total, 1e-4)


def test_grad_cam_plus_plus_by_numpy():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    images = jnp.asarray(images)
    activation, gradient = (
        np.asarray(x, np.float64)[0] for x in gradient_at(model, variables, images, FEATURES, [2])
    )
    total = np.zeros(activation.shape[:2])
    for k in range(activation.shape[2]):
        below = 2 * gradient[..., k] ** 2 + activation[..., k].sum() * gradient[..., k] ** 3
        alpha = np.divide(gradient[..., k] ** 2, below, out=np.zeros_like(below), where=below != 0)
        weight = (alpha * np.maximum(gradient[..., k], 0)).sum()
        total += weight * activation[..., k]
    found = METHODS["grad_cam_plus_plus"](model, variables, images, [2])
    close(np.asarray(found)[0], np.maximum(total, 0), 1e-4)


def test_a_layer_without_positions_is_refused():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match="no positions"):
        grad_cam(model, variables, jnp.asarray(images), [1], layer="F6")
