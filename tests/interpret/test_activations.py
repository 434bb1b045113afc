"""Maps inside a network: captured ones against torchvision's, gradients against finite
differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from networks import build

from jaxcnn import weights
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture, default_layer, gradient_at, layer_shapes
from jaxcnn.models import create_model, list_models

# (network, {our path: torchvision's node})
NODES = {
    "resnet18": {
        "relu": "relu",
        "stage1/block1": "layer1.0.relu_1",
        "stage3/block2": "layer3.1.relu_1",
    },
    "vgg11": {"relu1_1": "features.1", "pool3": "features.10", "relu5_2": "features.19"},
}


@pytest.mark.parametrize("name", sorted(NODES))
def test_captured_maps_are_those_of_torchvisions_feature_extractor(name):
    torch, torchvision, _ = torch_models.load_torch()
    from torchvision.models.feature_extraction import create_feature_extractor

    reference = torch_models.build("torchvision", name)
    images = torch_models.images(2, 64)
    torch_models.calibrated_logits(reference, images)
    model, variables = create_model(name), weights.from_torch(name, reference.state_dict())
    kept = capture(model, variables, jnp.asarray(images), list(NODES[name]))
    with torch.no_grad():
        expected = create_feature_extractor(reference, list(NODES[name].values()))(
            torch_models.nchw(images)
        )
    for ours, theirs in NODES[name].items():
        wanted = expected[theirs].numpy().transpose(0, 2, 3, 1)
        difference = np.abs(np.asarray(kept[ours]) - wanted).max()
        assert difference <= 1e-4 * np.abs(wanted).max(), ours


def test_a_gradient_is_that_of_finite_differences():
    model, variables, images = build("lenet", (3, 32, 32, 1))
    classes = jnp.asarray([1, 5, 9])
    activation, gradient = gradient_at(model, variables, jnp.asarray(images), "C3", classes)
    assert activation.shape == gradient.shape == (3, 10, 10, 16)
    from jaxcnn.interpret.activations import with_layer_changed

    direction = np.random.default_rng(1).standard_normal(activation.shape).astype(np.float32)
    step = 1e-2

    def scores(sign):
        changed = with_layer_changed(
            model, variables, jnp.asarray(images), "C3", lambda x: x + sign * step * direction
        )
        return np.asarray(changed)[np.arange(3), np.asarray(classes)].astype(np.float64)

    slope = (scores(1) - scores(-1)) / (2 * step)
    expected = np.sum(np.asarray(gradient, np.float64) * direction, axis=(1, 2, 3))
    np.testing.assert_allclose(slope, expected, rtol=2e-2, atol=1e-2)


def test_targets_may_be_a_function_of_the_logits():
    model, variables, images = build("lenet", (2, 32, 32, 1))
    by_number = gradient_at(model, variables, jnp.asarray(images), "C1", [3, 3])[1]
    by_function = gradient_at(
        model, variables, jnp.asarray(images), "C1", lambda logits: logits[:, 3]
    )[1]
    np.testing.assert_array_equal(by_number, by_function)


def test_a_wrong_layer_is_one_sentence_that_lists_those_there_are():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match=r"no layer 'conv9'.*C1.*C3"):
        capture(model, variables, jnp.asarray(images), ["conv9"])


FAMILIES = sorted(set(list_models().values()))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_layer_of_every_family_is_a_map_before_the_head(family):
    """It has positions and, but for NiN's class maps, not one channel a class."""
    names = [name for name, its in list_models().items() if its == family]
    for name in (names[0], names[-1]):
        model = create_model(name)
        shape = (1, *model.input_shape)
        images = jax.ShapeDtypeStruct(shape, np.float32)
        variables = jax.eval_shape(model.init, jax.random.key(0), images)
        shapes = layer_shapes(model, variables, shape)
        layer = default_layer(model, variables, shape)
        assert len(shapes[layer]) == 4 and shapes[layer][1] > 1, name
        assert shapes[layer][-1] != model.num_classes or family == "nin", name
