"""Attributions of pixels: Euler's identity, integrated gradients, and captum's numbers."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_models
from captum_models import load_captum
from networks import build, close, without_biases

from jaxcnn import ops, weights
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.attribution import integrated_gradients, saliency, smooth_grad
from jaxcnn.models import create_model


@functools.cache
def twins(library, name, size):
    """Our network, its variables, images [2, S, S, 3] and PyTorch's twin with the same weights."""
    reference = torch_models.build(library, name)
    images = torch_models.images(2, size)
    torch_models.calibrated_logits(reference, images)
    variables = weights.from_torch(name, reference.state_dict())
    return create_model(name), variables, images, reference


def torch_input(images):
    return torch_models.nchw(images).requires_grad_()


def channels_last(attributions):
    return attributions.detach().numpy().transpose(0, 2, 3, 1)


def test_without_biases_input_times_gradient_sums_to_the_logit():
    model, variables, images = build("nin_cifar10", (2, 32, 32, 3))
    variables, images = without_biases(variables), jnp.asarray(images)
    logits = np.asarray(model.apply(variables, images))[[0, 1], [1, 4]]
    found = saliency(model, variables, images, [1, 4], times_input=True)
    close(np.asarray(found).sum(axis=(1, 2, 3)), logits, 1e-4)


@pytest.mark.parametrize(
    "name",
    ["resnet18", pytest.param("vgg11", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "rule, theirs", [("guided", "GuidedBackprop"), ("deconv", "Deconvolution")]
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_backpropagation_and_deconvolution_are_captums(name, rule, theirs):
    torch, captum = load_captum()
    model, variables, images, reference = twins("torchvision", name, 64)
    split_relus(torch, reference)
    with ops.portable():
        found = saliency(model, variables, jnp.asarray(images), [3, 11], rule=rule)
    method = getattr(captum, theirs)(reference)
    expected = method.attribute(torch_input(images), target=[3, 11])
    close(found, channels_last(expected), 1e-4)


def split_relus(torch, reference):
    """Gives each call of a ReLU its own module, out of place.

    captum hooks modules, and torchvision's blocks call one ReLU twice.
    """
    for block in reference.modules():
        if isinstance(block, torch.nn.ReLU):
            block.inplace = False
        if type(block).__name__ != "BasicBlock":
            continue
        block.second = torch.nn.ReLU()

        def forward(x, block=block):
            out = block.relu(block.bn1(block.conv1(x)))
            out = block.bn2(block.conv2(out))
            return block.second(out + (x if block.downsample is None else block.downsample(x)))

        block.forward = forward


class Linear(nn.Module):
    """Logits that are linear in the pixels."""

    @nn.compact
    def __call__(self, images, train=False):
        return nn.Dense(3)(images.reshape(len(images), -1))


def test_integrated_gradients_are_exact_on_a_linear_model():
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.standard_normal((2, 4, 4, 3), np.float32))
    model = Linear()
    variables = model.init(jax.random.key(0), images)
    kernel = np.asarray(variables["params"]["Dense_0"]["kernel"])  # [48, 3]
    found = integrated_gradients(model, variables, images, [1, 2], baseline=0.25, steps=2)
    weight = kernel.T[[1, 2]].reshape(2, 4, 4, 3)
    close(found.attributions, (np.asarray(images) - 0.25) * weight, 1e-6)
    assert (found.gap < 1e-4).all() and found.steps == 2


@pytest.mark.parametrize(
    "library, name, size, limit",
    [
        ("akamaster", "resnet20", 32, 1e-4),
        # A ReLU or a maximum within rounding of its kink may open in one library and not in the
        # other, at one of eight points; another rule of quadrature differs by a tenth and more.
        pytest.param("torchvision", "vgg11", 64, 5e-3, marks=pytest.mark.slow),
    ],
)
def test_integrated_gradients_are_captums_gauss_legendre(library, name, size, limit):
    _, captum = load_captum()
    model, variables, images, reference = twins(library, name, size)
    with ops.portable():
        found = integrated_gradients(
            model, variables, jnp.asarray(images), [3, 1], steps=8, tolerance=np.inf
        )
    expected = captum.IntegratedGradients(reference).attribute(
        torch_input(images), target=[3, 1], n_steps=8, method="gausslegendre"
    )
    expected = channels_last(expected)
    difference = np.asarray(found.attributions) - expected
    assert np.linalg.norm(difference) <= limit * np.linalg.norm(expected)


def test_integrated_gradients_double_their_steps_until_the_gap_is_small_or_say_so():
    model, variables, images = build("lenet", (2, 32, 32, 1))
    images = jnp.asarray(images)
    found = integrated_gradients(model, variables, images, [1, 2], steps=2, tolerance=0.002)
    assert found.steps > 2 and (found.gap <= 0.002).all()
    difference = [
        np.asarray(model.apply(variables, x))[[0, 1], [1, 2]]
        for x in (images, jnp.zeros_like(images))
    ]
    total = np.asarray(found.attributions).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(total, difference[0] - difference[1], rtol=0.003)
    coarse = integrated_gradients(model, variables, images, [1, 2], steps=2, tolerance=1e-9, most=4)
    assert coarse.steps == 4 and (coarse.gap > 1e-9).any()


def test_smooth_grad_without_noise_is_the_gradient_and_repeats_by_its_key():
    model, variables, images = build("lenet", (1, 32, 32, 1))
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
