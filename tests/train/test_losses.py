"""Losses as their papers print them."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.config.schema import LOSSES
from jaxcnn.train import losses as losses_lib


def test_the_config_names_every_loss():
    assert set(losses_lib.LOSSES) == set(LOSSES)


def test_lenet_map_loss_as_printed():
    rng = np.random.default_rng(0)
    distances = rng.uniform(0, 5, (6, 10)).astype(np.float32)  # y_i, the RBF outputs
    labels = rng.integers(0, 10, 6)
    expected = distances[np.arange(6), labels] + np.log(
        np.exp(-losses_lib.LENET_J) + np.exp(-distances).sum(axis=1)
    )
    got = losses_lib.lenet_map(jnp.asarray(-distances), jax.nn.one_hot(labels, 10))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
