"""Activations against their formulas, their gradients at the bend, and how they are found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers

X = np.linspace(-9, 9, 37, dtype=np.float32)  # zero among them

FORMULAS = {
    layers.ReLU: np.maximum(X, 0),
    layers.ReLU6: np.clip(X, 0, 6),
    layers.Sigmoid: 1 / (1 + np.exp(-X)),
    layers.Tanh: (np.exp(X) - np.exp(-X)) / (np.exp(X) + np.exp(-X)),
    layers.Squash: 1.7159 * np.tanh(2 / 3 * X),
    layers.Swish: X / (1 + np.exp(-X)),
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_formula(kind):
    assert kind().init(jax.random.key(0), X) == {}
    np.testing.assert_allclose(kind().apply({}, X), FORMULAS[kind], rtol=1e-5, atol=1e-6)
    y = kind().apply({}, jnp.asarray(X, jnp.bfloat16))
    assert y.dtype == jnp.bfloat16


def test_every_activation_is_tested():
    found = [getattr(layers, name) for name in layers.__all__]
    kinds = [k for k in found if isinstance(k, type) and issubclass(k, layers.Activation)]
    assert set(kinds) == {layers.Activation, *FORMULAS}


def test_the_gradient_of_a_rectifier_at_zero_is_zero():
    assert jax.grad(lambda x: layers.ReLU().apply({}, x))(0.0) == 0.0


def test_activations_are_found_by_name_or_are_classes():
    assert layers.find_activation("tanh", "Net") is layers.Tanh
    assert layers.find_activation(layers.Swish, "Net") is layers.Swish
    assert layers.activation_name(layers.ReLU, "5_3") == "relu5_3"
    with pytest.raises(ValueError, match="Net has no activation 'gelu': use one of relu, sigmoid"):
        layers.find_activation("gelu", "Net")
