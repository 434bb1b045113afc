"""EfficientNet's recipes against section 5.2 and the authors' code."""

import jax
import jax.numpy as jnp
import pytest
from recipe_files import FILES, abstract, config_of

from jaxcnn.train import optim as optim_lib


@pytest.mark.parametrize("name", FILES["efficientnet"].NETWORKS)
def test_the_learnt_policy_and_the_span_of_statistics(name):
    """Section 5.2: AutoAugment. The code: groups of max(8, shards / 8) shards of 64 images."""
    config = config_of(f"efficientnet:{name}")
    assert config.data.augment == ("flip", "autoaugment")
    assert config.model_args["bn_group_size"] == max(8, 32 // 8) * 64
    assert (config.optim.weight_decay, config.optim.learning_rate) == (1e-5, 0.256)


def test_magnitudes_of_randaugment():
    """The README: magnitude 17 for B5, 28 for B7."""
    for size, magnitude in (("b0", 9), ("b4", 9), ("b5", 17), ("b7", 28)):
        data = config_of(f"efficientnet:efficientnet_{size}-randaugment").data
        assert data.augment == ("flip", "randaugment")
        assert data.randaugment == (2, magnitude)


def test_everything_decays_but_batch_norm():
    optim = config_of("efficientnet:efficientnet_b0").optim
    shapes = abstract("efficientnet_b0")["params"]
    ones = jax.tree.map(lambda x: jnp.ones((1,) * x.ndim), shapes)  # small, to be quick
    tx = optim_lib.make_optimizer(optim, 1.0)
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, ones), tx.init(ones), ones)
    moved = {
        "/".join(entry.key for entry in path): bool((leaf != 0).any())
        for path, leaf in jax.tree_util.tree_leaves_with_path(updates)
    }
    assert {name for name, moves in moved.items() if not moves} == {n for n in moved if "/bn/" in n}
    assert moved["fc/bias"] and sum("/se/" in name and "bias" in name for name in moved) >= 14
