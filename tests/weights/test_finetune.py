"""New heads, and frozen layers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from states import SMALL, random_state

from jaxcnn import create_model, weights
from jaxcnn.layers.naming import matches


def test_new_head_keeps_the_rest():
    images = jnp.zeros((1, 32, 32, 3))
    variables = jax.tree.map(
        lambda s: np.ones(s.shape, s.dtype),
        jax.eval_shape(create_model("resnet20").init, jax.random.key(0), images),
    )
    new = weights.with_new_head("resnet20", variables, 7, jax.random.key(1))
    head = new["params"].pop("fc")
    assert (
        head["kernel"].shape == (64, 7)
        and head["bias"].shape == (7,)
        and float(jnp.std(head["kernel"])) > 0.01
    )
    variables["params"].pop("fc")
    assert jax.tree.all(jax.tree.map(lambda old, kept: old is kept, variables, new))


def test_new_head_refuses_strangers():
    with pytest.raises(ValueError, match="not variables of resnet20"):
        weights.with_new_head(
            "resnet20", {"params": {"other": {"kernel": np.zeros((2, 2))}}}, 5, jax.random.key(0)
        )
    with pytest.raises(ValueError, match="at least 1 class"):
        weights.with_new_head("resnet20", {}, 0, jax.random.key(0))


def test_patterns():
    assert matches("stage1/block1/conv1", ["stage1"]) and not matches(
        "stage10/block1/conv1", ["stage1"]
    )
    assert matches("stage2/block1/bn1", ["*/bn1"]) and matches("stage2/block1/bn1", ["stage[12]"])
    assert not matches("stage3/block1/bn1", ["stage[12]", "bn1"])


def test_a_pattern_without_a_layer_is_an_error():
    variables = weights.from_torch("resnet18", random_state("resnet18", **SMALL), **SMALL)
    with pytest.raises(
        ValueError, match=r"pattern 'stage7'; the layers are bn1, conv1, fc, stage1, stage2"
    ):
        weights.frozen(variables["params"], ("conv1", "stage7"))


def test_frozen_layers_neither_learn_nor_update_their_statistics():
    model = create_model("resnet18", **SMALL)
    images = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    variables = model.init(jax.random.key(1), images)
    patterns = ("conv1", "bn1", "stage1")
    mask = weights.frozen(variables["params"], patterns)
    labels_ = jax.tree.map(lambda still: "frozen" if still else "trained", mask)
    # decay must not move frozen weights either
    decayed = optax.chain(optax.add_decayed_weights(1e-2), optax.sgd(0.1, momentum=0.9))
    tx = optax.multi_transform({"trained": decayed, "frozen": optax.set_to_zero()}, labels_)

    @jax.jit
    def step(params, stats, opt_state):
        def loss(params):
            with weights.frozen_statistics(patterns):
                logits, new = model.apply(
                    {"params": params, "batch_stats": stats},
                    images,
                    train=True,
                    mutable=["batch_stats"],
                )
            return optax.softmax_cross_entropy_with_integer_labels(
                logits, jnp.arange(4)
            ).mean(), new["batch_stats"]

        grads, stats_ = jax.grad(loss, has_aux=True)(params)
        updates, opt_state_ = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), stats_, opt_state_

    params, stats, opt_state = (
        variables["params"],
        variables["batch_stats"],
        tx.init(variables["params"]),
    )
    for _ in range(2):
        params, stats, opt_state = step(params, stats, opt_state)
    after = {"params": params, "batch_stats": stats}
    still = weights.frozen(variables, patterns)
    moved = jax.tree.map(lambda old, new: not np.array_equal(old, new), dict(variables), after)
    assert jax.tree.all(jax.tree.map(lambda moved, still: moved != still, moved, still))
    assert (
        still["batch_stats"]["stage1"]["block1"]["bn2"]["mean"] and moved["params"]["fc"]["kernel"]
    )


def test_frozen_batch_norm_uses_the_running_statistics():
    model = create_model("resnet18", **SMALL)
    images = 3.0 + jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    variables = model.init(jax.random.key(1), images)
    everything = tuple(variables["params"])
    expected = model.apply(variables, images, train=False)
    with weights.frozen_statistics(everything):
        logits, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    np.testing.assert_array_equal(logits, expected)
    batch, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    assert not np.allclose(batch, expected, atol=1e-3)
