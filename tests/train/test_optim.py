"""Optimizers against their papers' update written in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.config.schema import OPTIMIZERS, Optim
from jaxcnn.errors import ConfigError
from jaxcnn.train import optim as optim_lib


def run(optim, grads, rate_scales=None, weights=(1.0, -2.0)):
    """The trajectory of one kernel and one bias under given gradients, [steps, 2]."""
    params = {"kernel": jnp.full((1, 1), weights[0]), "bias": jnp.full((1,), weights[1])}
    tx = optim_lib.make_optimizer(optim, steps_per_epoch=2.0)
    state, seen = tx.init(params), []
    for i, g in enumerate(grads):
        tree = {"kernel": jnp.full((1, 1), g), "bias": jnp.full((1,), g)}
        scale = jnp.asarray(1.0 if rate_scales is None else rate_scales[i])
        updates, state = tx.update(tree, state, params, rate_scale=scale)
        params = jax.tree.map(jnp.add, params, updates)
        seen.append((float(params["kernel"][0, 0]), float(params["bias"][0])))
    return np.asarray(seen)


GRADS = (0.5, -0.25, 1.0, 0.125)
SCALES = (1.0, 1.0, 0.1, 0.1)


def expected(name, lr, mu, wd):
    """Kernel (decayed) and bias (not decayed) trajectories, from the update rules as printed."""
    seen = []
    w, v, s = np.array([1.0, -2.0]), np.zeros(2), np.ones(2)
    decay = np.array([wd, 0.0])
    for g, scale in zip(GRADS, SCALES, strict=True):
        grad, rate = g + decay * w, lr * scale
        if name == "sgd":
            w = w - rate * grad
        elif name == "momentum":
            v = mu * v + grad
            w = w - rate * v
        elif name == "nesterov":
            v = mu * v + grad
            w = w - rate * (grad + mu * v)
        elif name == "caffe":  # AlexNet section 5: v <- mu v - rate (g + wd w)
            v = mu * v - rate * grad
            w = w + v
        elif name == "rmsprop":  # TensorFlow 1: epsilon inside the root, accumulator from one
            s = 0.9 * s + 0.1 * grad**2
            v = mu * v + rate * grad / np.sqrt(s + 1e-3)
            w = w - v
        seen.append(w.copy())
    return np.asarray(seen)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "caffe", "rmsprop"])
def test_update_rules(name):
    got = run(Optim(name=name, learning_rate=0.1, momentum=0.9, weight_decay=0.01), GRADS, SCALES)
    np.testing.assert_allclose(got, expected(name, 0.1, 0.9, 0.01), rtol=2e-6)


def test_caffe_and_torch_momentum_part_only_when_the_rate_changes():
    constant = [run(Optim(name=n, learning_rate=0.1), GRADS) for n in ("caffe", "momentum")]
    dropped = [run(Optim(name=n, learning_rate=0.1), GRADS, SCALES) for n in ("caffe", "momentum")]
    np.testing.assert_allclose(*constant, rtol=1e-6)
    assert np.abs(dropped[0] - dropped[1]).max() > 0.01


def test_decay_all_and_bias_rate():
    everything = run(Optim(name="sgd", learning_rate=0.1, weight_decay=0.1, decay_all=True), (0.0,))
    np.testing.assert_allclose(everything, [[0.99, -1.98]], rtol=1e-6)
    twice = run(Optim(name="sgd", learning_rate=0.1, bias_rate=2.0), (1.0,))
    np.testing.assert_allclose(twice, [[0.9, -2.2]], rtol=1e-6)


def test_layer_rates_name_layers_and_multiply_with_the_biases():
    params = {
        "conv1": {"kernel": jnp.ones((1, 1))},
        "head": {"fc": {"kernel": jnp.ones((1, 1)), "bias": jnp.ones((1,))}},
        "head2": {"bias": jnp.ones((1,))},
    }
    optim = Optim(
        name="sgd",
        learning_rate=0.5,
        bias_rate=2.0,
        layer_rates={"head": 10, "*/fc/bias": 0.1, "conv1": 0},
    )
    tx = optim_lib.make_optimizer(optim, 1.0)
    updates, _ = tx.update(
        jax.tree.map(jnp.ones_like, params), tx.init(params), params, rate_scale=jnp.ones(())
    )
    got = jax.tree.map(lambda u: round(float(u.squeeze()), 6), updates)
    assert got == {
        "conv1": {"kernel": 0.0},
        "head": {"fc": {"kernel": -5.0, "bias": -1.0}},
        "head2": {"bias": -1.0},
    }
    said = r"optim\.layer_rates: no layer is named by the pattern 'fc'; .* are conv1, head, head2"
    with pytest.raises(ConfigError, match=said):
        optim_lib.make_optimizer(Optim(layer_rates={"fc": 2}), 1.0).init(params)


def test_clipping_bounds_the_global_norm():
    moved = run(Optim(name="sgd", learning_rate=1.0, clip_norm=0.5), (3.0,)) - np.array([1.0, -2.0])
    np.testing.assert_allclose(np.linalg.norm(moved), 0.5, rtol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_adaptive_optimizers_descend(name):
    params = {"kernel": jnp.full((2, 2), 3.0)}
    tx = optim_lib.make_optimizer(Optim(name=name, learning_rate=0.1, weight_decay=0.01), 1.0)
    state = tx.init(params)
    for _ in range(20):
        with jax.numpy_dtype_promotion(
            "standard"
        ):  # optax's bias correction raises a float to an integer power
            updates, state = tx.update(params, state, params, rate_scale=jnp.ones(()))
        params = jax.tree.map(jnp.add, params, updates)
    assert float(jnp.abs(params["kernel"]).max()) < 2.0


def test_adams_steps_are_the_rate_however_small_the_gradient():
    """m / (sqrt(v) + 1e-8): RMSProp's epsilon of 1e-3 would make this step 100 times shorter."""
    tx, params = (
        optim_lib.make_optimizer(Optim(name="adamw", learning_rate=0.1), 1.0),
        {"kernel": jnp.zeros((1, 1))},
    )
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = tx.update(
            {"kernel": jnp.full((1, 1), 1e-5)}, tx.init(params), params, rate_scale=jnp.ones(())
        )
    np.testing.assert_allclose(updates["kernel"], -0.1 / (1 + 1e-3), rtol=1e-4)


def test_filter_rms_is_limited():
    kernel = jnp.stack([jnp.full((3, 3, 2), 0.5), jnp.full((3, 3, 2), 0.05)], axis=-1)
    tx = optim_lib.make_optimizer(Optim(name="sgd", learning_rate=0.0, max_filter_rms=0.1), 1.0)
    updates, _ = tx.update(
        {"kernel": jnp.zeros_like(kernel)},
        tx.init({"kernel": kernel}),
        {"kernel": kernel},
        rate_scale=jnp.ones(()),
    )
    new = np.asarray(kernel + updates["kernel"])
    np.testing.assert_allclose(np.sqrt((new**2).mean(axis=(0, 1, 2))), [0.1, 0.05], rtol=1e-5)


def test_the_config_names_every_optimizer():
    assert set(optim_lib.OPTIMIZERS) == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_held_layers_do_not_move_and_the_others_do_as_without(name):
    """Weight decay included; the optimizer's state is that of one that holds nothing."""
    params = {layer: {"kernel": jnp.full((2, 2), 3.0)} for layer in ("conv1", "fc")}
    grads = {"conv1": {"kernel": jnp.zeros((2, 2))}, "fc": {"kernel": jnp.ones((2, 2))}}
    optim = Optim(name=name, learning_rate=0.1, weight_decay=0.01)
    free, held = (optim_lib.make_optimizer(optim, 1.0, frozen=f) for f in ((), ("conv1",)))
    state = held.init(params)
    assert jax.tree.structure(state) == jax.tree.structure(free.init(params))
    with jax.numpy_dtype_promotion("standard"):
        expected, _ = free.update(grads, state, params, rate_scale=jnp.ones(()))
        updates, after = held.update(grads, state, params, rate_scale=jnp.ones(()))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert not np.asarray(updates["conv1"]["kernel"]).any()
    assert np.asarray(expected["conv1"]["kernel"]).any()
    np.testing.assert_array_equal(updates["fc"]["kernel"], expected["fc"]["kernel"])
