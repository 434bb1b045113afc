"""Occlusion against a double loop in Python."""

import jax.numpy as jnp
import numpy as np
import pytest
from networks import build

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture
from jaxcnn.interpret.occlusion import occlusion


def test_it_is_a_double_loop():
    model, variables, images = build("resnet20", (2, 32, 32, 3))
    classes = np.array([1, 7])
    done = []
    found = occlusion(
        model, variables, jnp.asarray(images), jnp.asarray(classes), size=9, stride=6, fill=0.25,
        layer="features", progress=lambda n, total: done.append((n, total)),
    )  # fmt: skip
    maps = np.asarray(capture(model, variables, jnp.asarray(images), ["features"])["features"])
    strongest = maps.sum(axis=(1, 2)).argmax(axis=1)
    assert found.tops.tolist() == found.lefts.tolist() == [0, 6, 12, 18]
    assert done[-1] == (16, 16)
    for i, top in enumerate(found.tops):
        for j, left in enumerate(found.lefts):
            hidden = images.copy()
            hidden[:, top : top + 9, left : left + 9] = 0.25
            kept = capture(model, variables, jnp.asarray(hidden), ["features"])
            logits = np.asarray(kept["logits"], np.float64)
            shares = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(
                found.probability[:, i, j], shares[[0, 1], classes], rtol=1e-4
            )
            assert found.label[:, i, j].tolist() == logits.argmax(axis=1).tolist()
            sums = np.asarray(kept["features"]).sum(axis=(1, 2))[[0, 1], strongest]
            np.testing.assert_allclose(found.activity[:, i, j], sums, rtol=1e-4)


def test_a_square_that_does_not_fit_is_refused():
    model, variables, images = build("lenet", (1, 32, 32, 1))
    with pytest.raises(ConfigError, match="33 pixels"):
        occlusion(model, variables, jnp.asarray(images), jnp.asarray([1]), size=33, stride=4)
