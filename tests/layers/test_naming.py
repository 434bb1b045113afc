"""Layers named by patterns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import ConfigError
from jaxcnn.layers import naming

PARAMS = {
    "conv1": {"kernel": jnp.ones(2)},
    "stage1": {"bn1": {"scale": jnp.ones(2)}, "conv1": {"kernel": jnp.ones(2)}},
    "stage10": {"bn1": {"scale": jnp.ones(2)}},
}


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((), set()),
        (("conv1",), {"conv1/kernel"}),
        (("stage1",), {"stage1/bn1/scale", "stage1/conv1/kernel"}),
        (("*/bn1",), {"stage1/bn1/scale", "stage10/bn1/scale"}),
        (("stage1/*1/kernel", "conv*"), {"stage1/conv1/kernel", "conv1/kernel"}),
    ],
)
def test_patterns(patterns, expected):
    def named(tree):
        leaves = jax.tree_util.tree_leaves_with_path(naming.frozen(tree, patterns))
        keys = {jax.tree_util.keystr(p, simple=True, separator="/") for p, still in leaves if still}
        return keys

    assert named(PARAMS) == expected
    whole = {"params": PARAMS, "batch_stats": {}}
    assert named(whole) == {f"params/{path}" for path in expected}


def test_patterns_that_name_nothing_are_one_sentence():
    said = r"config\.x: no layer is named by the pattern 'fc', 'bn1'; .* conv1, stage1, stage10$"
    with pytest.raises(ConfigError, match=said):
        naming.check_patterns(PARAMS, ("fc", "conv1", "bn1"), "config.x")


def test_multiples_of_layers_multiply():
    rates = {"stage1": 10, "*/bn1": 0.5}
    found = jax.tree_util.tree_map_with_path(lambda path, _: naming.multiple(path, rates), PARAMS)
    assert jax.tree.leaves(found) == [1, 5, 10, 0.5]


def test_no_gradient_reaches_stopped_layers():
    def loss(params):
        return sum(jnp.sum(x**2) for x in jax.tree.leaves(naming.stopped(params, ("stage1",))))

    grads = jax.grad(loss)(PARAMS)
    np.testing.assert_array_equal(grads["stage1"]["conv1"]["kernel"], 0)
    np.testing.assert_array_equal(grads["conv1"]["kernel"], 2)
    assert naming.stopped(PARAMS, ()) is PARAMS
