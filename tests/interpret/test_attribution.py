"""Attributions of pixels: Euler's identity, integrated gradients, captum's numbers, and a sanity
check."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from networks import build, close, without_biases
from scipy.stats import spearmanr

from jaxcnn import weights
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.attribution import integrated_gradients, saliency, smooth_grad
from jaxcnn.interpret.class_activation import grad_cam
from jaxcnn.models import create_model


def load_captum():
    torch = torch_models.load_torch()[0]
    return torch, pytest.importorskip("captum.attr")


def twins(name, size=64):
    """(our network, variables, images [2, S, S, 3], PyTorch's twin) with the same random
    weights."""
    reference = torch_models.build("torchvision", name)
    images = torch_models.images(2, size)
    torch_models.calibrated_logits(reference, images)
    variables = weights.from_torch(name, reference.state_dict())
    return create_model(name), variables, images, reference


def test_without_biases_input_times_gradient_sums_to_the_logit():
    model, variables, images = build("vgg11", (2, 64, 64, 3), num_classes=6)
    variables, images = without_biases(variables), jnp.asarray(images)
    logits = np.asarray(model.apply(variables, images))[[0, 1], [1, 4]]
    found = saliency(model, variables, images, [1, 4], times_input=True)
    close(np.asarray(found).sum(axis=(1, 2, 3)), logits, 1e-4)


@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
@pytest.mark.parametrize(
    "rule, theirs", [("guided", "GuidedBackprop"), ("deconv", "Deconvolution")]
)
def test_guided_backpropagation_and_deconvolution_are_captums(name, rule, theirs):
    torch, captum = load_captum()
    model, variables, images, reference = twins(name)
    for module in reference.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    split_relus(torch, reference)
    found = saliency(model, variables, jnp.asarray(images), [3, 11], rule=rule)
    method = getattr(captum, theirs)(reference)
    expected = method.attribute(torch_models.nchw(images), target=[3, 11]).detach().numpy()
    close(found, expected.transpose(0, 2, 3, 1), 1e-4)


def split_relus(torch, reference):
    """captum hooks modules, and torchvision's blocks call one ReLU twice: give each call its
    own."""
    for block in reference.modules():
        if type(block).__name__ == "BasicBlock":
            block.second = torch.nn.ReLU()

            def forward(x, block=block):
                out = block.relu(block.bn1(block.conv1(x)))
                out = block.bn2(block.conv2(out))
                return block.second(out + (x if block.downsample is None else block.downsample(x)))

            block.forward = forward


def test_integrated_gradients_are_exact_on_a_linear_model():
    model, variables, images = build("vgg11", (1, 32, 32, 3), num_classes=4)

    class Linear(type(model)):
        def __call__(self, images, train=False):
            weight = jnp.linspace(-1, 1, images[0].size).reshape(-1, 1) * jnp.arange(1.0, 4.0)[None]
            return images.reshape(len(images), -1) @ weight

    found = integrated_gradients(Linear(), {}, jnp.asarray(images), [1], steps=2)
    expected = images[0] * np.linspace(-1, 1, images[0].size).reshape(images[0].shape) * 2
    close(found.attributions[0], expected, 1e-6)
    assert found.gap[0] < 1e-4 and found.steps == 2


def test_integrated_gradients_are_captums_gauss_legendre():
    torch, captum = load_captum()
    model, variables, images, reference = twins("vgg11")
    found = integrated_gradients(
        model, variables, jnp.asarray(images), [3, 11], steps=8, tolerance=np.inf
    )
    expected, delta = captum.IntegratedGradients(reference).attribute(
        torch_models.nchw(images), target=[3, 11], n_steps=8, method="gausslegendre",
        return_convergence_delta=True,
    )  # fmt: skip
    close(found.attributions, expected.detach().numpy().transpose(0, 2, 3, 1), 1e-4)


def test_integrated_gradients_double_their_steps_until_the_gap_is_small_or_say_so():
    model, variables, images = build("resnet20", (2, 32, 32, 3))
    images = jnp.asarray(images)
    found = integrated_gradients(model, variables, images, [1, 2], steps=4, tolerance=0.01)
    assert found.steps > 4 and (found.gap <= 0.01).all()
    coarse = integrated_gradients(model, variables, images, [1, 2], steps=2, tolerance=1e-9, most=4)
    assert coarse.steps == 4 and (coarse.gap > 1e-9).any()


def test_smooth_grad_without_noise_is_the_gradient_and_repeats_by_its_key():
    model, variables, images = build("resnet20", (1, 32, 32, 3))
    images, key = jnp.asarray(images), jax.random.key(1)
    plain = saliency(model, variables, images, [1])
    close(smooth_grad(model, variables, images, [1], key=key, samples=2, noise=0.0), plain)
    once, again = (smooth_grad(model, variables, images, [1], key=key, samples=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert np.abs(np.asarray(once) - np.asarray(plain)).max() > 0


def test_a_network_without_relus_has_no_guided_gradient():
    model, variables, images = build("lenet5", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match="no ReLU"):
        saliency(model, variables, jnp.asarray(images), [1], rule="guided")
    with pytest.raises(ConfigError, match="gradient, guided, deconv"):
        saliency(model, variables, jnp.asarray(images), [1], rule="magic")


def top_layer_drawn_anew(variables):
    """The variables with other kernels in the last convolutional block and in the head (Adebayo et
    al. 2018)."""
    rng = np.random.default_rng(7)

    def change(path, x):
        if path[0].key == "params" and path[1].key == "fc":
            return rng.permuted(np.asarray(x).reshape(-1)).reshape(np.shape(x))
        return x

    return jax.tree_util.tree_map_with_path(change, variables)


def test_sanity_maps_of_classes_change_with_the_top_layer():
    model, variables, images = build("resnet20", (1, 32, 32, 3))
    images, other = jnp.asarray(images), top_layer_drawn_anew(variables)

    def correlation(method):
        one, two = (np.asarray(method(v)).reshape(-1) for v in (variables, other))
        return spearmanr(one, two).statistic

    assert correlation(lambda v: grad_cam(model, v, images, [3], rectify=False)) < 0.5
    assert correlation(lambda v: integrated_gradients(model, v, images, [3]).attributions) < 0.5
