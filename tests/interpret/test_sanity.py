"""Which methods notice that the top layer was drawn anew (Adebayo et al. 2018)."""

import jax.numpy as jnp
import numpy as np
import pytest
from networks import build
from scipy.stats import spearmanr

from jaxcnn.interpret.activations import FEATURES
from jaxcnn.interpret.attribution import integrated_gradients, saliency
from jaxcnn.interpret.class_activation import cam, grad_cam
from jaxcnn.interpret.deconvnet import deconvnet
from jaxcnn.interpret.sanity import (
    drawn_anew,
    randomised,
    rank_correlation,
    steps,
    weighted_layers,
)


@pytest.fixture(scope="module")
def network():
    """NiN with random weights, whose images have large and small parts as photographs have."""
    model, variables, images = build("nin_cifar10", (1, 32, 32, 3))
    x = np.linspace(0, 3, 32, dtype=np.float32)
    images = 0.3 * images + np.sin(x[:, None] * x[None, :] * 2)[None, :, :, None]
    return model, variables, jnp.asarray(images)


CLASSES = [0, 3, 4, 7]
CHANGED = {
    "cam": lambda m, v, x: cam(m, v, x, jnp.asarray(CLASSES)),
    "grad_cam": lambda m, v, x: grad_cam(m, v, x, CLASSES, rectify=False),
    "integrated": lambda m, v, x: integrated_gradients(m, v, x, CLASSES, most=16).attributions,
}
SAME = {
    "guided": lambda m, v, x: np.abs(saliency(m, v, x, CLASSES, rule="guided")),
    "deconvnet": lambda m, v, x: np.abs(deconvnet(m, v, x, FEATURES, jnp.asarray(CLASSES))),
}


def mean_correlation(network, method):
    """The mean over CLASSES of the rank correlation of the maps before and after."""
    model, variables, image = network
    images = jnp.repeat(image, len(CLASSES), axis=0)
    layers = weighted_layers(model, variables, images.shape)
    found = randomised(
        lambda v: np.asarray(method(model, v, images)), variables, layers, counts=[1]
    )
    assert found.layers == layers[:1] and len(found.maps) == 2
    whole = spearmanr(found.maps[0].ravel(), found.maps[1].ravel()).statistic
    assert found.correlation[0] == pytest.approx(whole)
    pairs = zip(*found.maps, strict=True)
    return np.mean([spearmanr(one.ravel(), other.ravel()).statistic for one, other in pairs])


@pytest.mark.parametrize("method", sorted(CHANGED))
def test_these_change_with_the_top_layer(network, method):
    assert mean_correlation(network, CHANGED[method]) < 0.5


@pytest.mark.parametrize("method", sorted(SAME))
def test_these_hardly_change_and_the_page_says_so(network, method):
    assert mean_correlation(network, SAME[method]) > 0.8


def test_layers_are_drawn_anew_from_the_head_down():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    layers = weighted_layers(model, variables, images.shape)
    assert layers == ["output", "F6", "C5", "C3", "C1"]
    other = drawn_anew(variables, layers[:2])["params"]
    for layer in layers:
        before, after = variables["params"][layer]["kernel"], other[layer]["kernel"]
        np.testing.assert_array_equal(np.sort(before, axis=None), np.sort(after, axis=None))
        assert np.array_equal(before, after) == (layer not in layers[:2])


def test_steps_go_from_the_head_to_all_layers():
    assert steps(list("abc")) == [1, 2, 3]
    assert steps([str(k) for k in range(20)]) == [1, 7, 13, 20]
    assert rank_correlation(np.arange(4), np.ones(4)) == 0.0
