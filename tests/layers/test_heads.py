"""The pooled head, its class map, and the check of images."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers

KEY = jax.random.key(0)


def images(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


class Head(nn.Module):
    class_map: bool

    @nn.compact
    def __call__(self, x):
        return layers.pooled_head(x, 5, dropout_rate=0.0, train=False, class_map=self.class_map)


def test_class_map_averages_to_the_logits():
    x = images(2, 4, 3, 6)
    variables = Head(False).init(KEY, x)
    class_map, logits = Head(True).apply(variables, x), Head(False).apply(variables, x)
    assert (class_map.shape, logits.shape, logits.dtype) == ((2, 4, 3, 5), (2, 5), jnp.float32)
    np.testing.assert_allclose(class_map.mean((1, 2)), logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 32, 32), "expected images"),
        ((1, 31, 40, 3), "smallest image it can take is 32x32"),
        ((1, 32, 32, 4), "1 \\(grey\\) or 3 \\(RGB\\)"),
    ],
)
def test_check_images(shape, message):
    layers.check_images(jnp.zeros((1, 32, 32, 3)), 32, "lenet")
    with pytest.raises(ValueError, match=f"lenet was given an array of shape .*{message}"):
        layers.check_images(jnp.zeros(shape), 32, "lenet")
