"""One process traces a training step for any platform, number of devices or runtime."""

from collections import Counter
from contextlib import nullcontext
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from jax.extend.core import jaxprs_in_params

from jaxcnn import ops
from jaxcnn.layers import BatchNorm, Conv, MaxPool, pooled_head
from jaxcnn.ops.target import Target


class Small(nn.Module):
    """One convolution of every kind for which the target decides, max pooling and BatchNorm."""

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = Conv(64, 1, name="pointwise")(x)  # [B, 16, 16, 64]
        x = nn.relu(BatchNorm(group_size=2)(x, train))
        x = Conv(64, 3, padding=1, name="stack1")(x)
        x = Conv(128, 3, padding=1, name="stack2")(x)  # [B, 16, 16, 128]
        x = MaxPool(2, 2)(x)  # [B, 8, 8, 128]
        x = Conv(32, 5, padding=2, groups=2, name="grouped")(x)  # [B, 8, 8, 32]
        x = Conv(32, 3, padding=1, groups=32, name="depthwise")(x)
        return pooled_head(x, 10, dropout_rate=0.0, train=train, class_map=False)  # [B, 10]


TX = optax.sgd(0.1)


# One jitted function for all targets: what was traced for one must not serve another.
@jax.jit
def step(state, images, labels):
    """One step of SGD on the cross-entropy."""
    variables, opt_state, key = state

    def loss_of(params):
        logits, new = Small().apply(
            variables | {"params": params}, images, train=True, mutable=["batch_stats"],
            rngs={"dropout": key},
        )  # fmt: skip
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), new["batch_stats"]

    grads, stats = jax.grad(loss_of, has_aux=True)(variables["params"])
    updates, opt_state = TX.update(grads, opt_state)
    params = optax.apply_updates(variables["params"], updates)
    return {"params": params, "batch_stats": stats}, opt_state, key


def operations(context) -> Counter:
    """How often each primitive occurs in a training step of `Small`, four images, in `context`."""
    images = jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.float32)
    variables = jax.eval_shape(Small().init, jax.random.key(0), images)
    state = (variables, jax.eval_shape(TX.init, variables["params"]), jax.random.key(1))
    with context:
        traced = step.trace(state, images, jax.ShapeDtypeStruct((4,), jnp.int32))
    return Counter(_names(traced.jaxpr.jaxpr))


def _names(jaxpr):
    for equation in jaxpr.eqns:
        inner = list(jaxprs_in_params(equation.params))
        if equation.primitive.name == "linear_map":
            given = [variable.aval for variable in equation.invars]
            inner = [jax.make_jaxpr(equation.params["form"])(*given).jaxpr]
        for sub in inner:
            yield from _names(sub)
        if not inner:
            groups = [
                equation.params.get(f"{kind}_group_count", 1) for kind in ("feature", "batch")
            ]
            yield equation.primitive.name + (f" in {max(groups)}" if max(groups) > 1 else "")


# The parts of a step, each forward and in its gradients. The pointwise layer is the first one, so
# its images need no gradient. fmt: off
POINTWISE, HEAD = 2, 3
DIRECT_STACK, DIRECT_SPLIT = 2 * 3, 2 * 3
WINOGRAD_STACK = 2 * 2 * 16  # the kernels' gradients, of 64 channels, are convolutions
CASES = {
    "cpu, 1 device": (
        partial(ops.target, platform="cpu"),
        {
            "dot_general": POINTWISE + WINOGRAD_STACK + HEAD,
            "conv_general_dilated": 2 + DIRECT_SPLIT,
        },
    ),
    "cpu, 8 devices": (
        partial(ops.target, platform="cpu", devices=8),
        {"dot_general": POINTWISE + HEAD, "conv_general_dilated": DIRECT_STACK + DIRECT_SPLIT},
    ),
    "gpu": (
        partial(ops.target, platform="gpu"),
        {
            "dot_general": HEAD,
            "conv_general_dilated": POINTWISE + DIRECT_STACK + DIRECT_SPLIT,
            "conv_general_dilated in 32": 3,
        },
    ),
    "tpu, 8 devices": (
        partial(ops.target, platform="tpu", devices=8),
        {
            "dot_general": HEAD,
            "conv_general_dilated": POINTWISE + DIRECT_STACK + DIRECT_SPLIT,
            "conv_general_dilated in 32": 3,
            "select_and_scatter_add": 1,
        },
    ),
    "any": (
        ops.portable,
        {
            "dot_general": HEAD,
            "conv_general_dilated": POINTWISE + DIRECT_STACK,
            "conv_general_dilated in 2": 3,
            "conv_general_dilated in 32": 3,
            "select_and_scatter_add": 1,
        },
    ),
}
# fmt: on
COUNTED = ("dot_general", "conv_general_dilated", "select_and_scatter_add")


@pytest.mark.parametrize(("context", "expected"), CASES.values(), ids=CASES)
def test_the_same_step_for_each_target(context, expected):
    found = operations(context())
    assert {name: n for name, n in found.items() if name.startswith(COUNTED)} == expected


def test_without_a_target_it_is_one_device_of_this_process():
    assert len(jax.devices()) == 8
    assert operations(nullcontext()) == operations(ops.target(platform="cpu", devices=1))


def test_a_mesh_says_its_platform_and_its_number_of_devices():
    def of_mesh(data: int, model: int, **division: bool) -> Target:
        mesh = jax.make_mesh(
            (data, model), ("data", "model"), devices=jax.devices()[: data * model]
        )
        with ops.on_mesh(mesh, **division):
            return ops.current_target()

    assert of_mesh(4, 2) == Target("cpu", 8)
    assert of_mesh(2, 1, towers=True) == Target("cpu", 2)
    found = of_mesh(2, 2, towers=True)
    assert found.devices == 4 and found.division and found.division.towers
    assert ops.current_target() == Target("cpu", 1)


def test_a_target_has_devices():
    with (
        pytest.raises(ValueError, match="one or more devices, not 0"),
        ops.target(platform="tpu", devices=0),
    ):
        pass


def test_what_was_compiled_for_one_target_is_compiled_again_for_another():
    """Both through the jit around a convolution and through the one inside it."""
    x, kernel = jnp.ones((2, 8, 8, 64)), jnp.ones((3, 3, 64, 64))
    convolve = jax.jit(partial(ops.conv2d, padding=1))
    with ops.target(platform="cpu"):
        found = [convolve(x, kernel)]
    with ops.target(platform="cpu", devices=2):
        found.append(convolve(x, kernel))
        again = convolve(x, kernel)
    text = [str(convolve.trace(x, kernel).jaxpr)]
    with ops.portable():
        text.append(str(convolve.trace(x, kernel).jaxpr))
    assert ("conv_general_dilated" in text[0], "conv_general_dilated" in text[1]) == (False, True)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    np.testing.assert_array_equal(found[1], again)
    assert convolve._cache_size() == 2


# fmt: off
SYMBOLIC = {
    "conv 3x3": (lambda x: ops.conv2d(x, jnp.ones((3, 3, 64, 64)), padding=1), (6, 6, 64)),
    "conv 1x1": (lambda x: ops.conv2d(x, jnp.ones((1, 1, 4, 5)), stride=2), (6, 6, 4)),
    "stem": (lambda x: ops.conv2d(x, jnp.ones((7, 7, 3, 4)), stride=2, padding=3), (12, 12, 3)),
    "grouped": (lambda x: ops.conv2d(x, jnp.ones((3, 3, 2, 6)), groups=2), (6, 6, 4)),
    "depthwise": (lambda x: ops.conv2d(x, jnp.ones((3, 3, 1, 4)), groups=4), (6, 6, 4)),
    "linear": (lambda x: ops.linear(x, jnp.ones((6 * 6 * 4, 5))), (6, 6, 4)),
    "max_pool": (lambda x: ops.max_pool(x, 3, 2, padding=1, ceil=True), (6, 6, 4)),
    "avg_pool": (lambda x: ops.avg_pool(x, 3, 2, padding=1, ceil=True), (6, 6, 4)),
    "adaptive_avg_pool": (lambda x: ops.adaptive_avg_pool(x, 4), (6, 6, 4)),
    "lrn": (lambda x: ops.local_response_norm(x, alpha=0.1), (6, 6, 4)),
    "batch_norm": (lambda x: ops.batch_norm(x, *[jnp.ones(4)] * 4, epsilon=1e-3), (6, 6, 4)),
    "batch_norm_train": (lambda x: ops.batch_norm_train(x, None, None, epsilon=1e-3), (6, 6, 4)),
    "batch_norm_train of vectors": (
        lambda x: ops.batch_norm_train(x, None, None, epsilon=1e-3), (4,)),
    "batch_norm_train in groups": (
        lambda x: ops.batch_norm_train(x, None, None, epsilon=1e-3, group_size=2), (6, 6, 4)),
    "pca_color": (lambda x: ops.pca_color(jax.random.key(0), x), (6, 6, 3)),
    "relu_of_sum": (lambda x: ops.relu_of_sum(x + x), (6, 6, 4)),
    "whole": (ops.whole, (6, 6, 3)),
}
# fmt: on


@pytest.mark.parametrize("context", [ops.portable, nullcontext], ids=["portable", "default"])
@pytest.mark.parametrize(("op", "shape"), SYMBOLIC.values(), ids=SYMBOLIC)
def test_a_symbolic_batch(op, shape, context):
    """An op and its gradient, exported for any even batch, are what they are at a batch of four."""

    @jax.jit
    def both(x):
        y, vjp = jax.vjp(op, x)
        return y, vjp(jax.tree.map(jnp.cos, y))

    x = jnp.asarray(np.random.default_rng(0).standard_normal((4, *shape)), jnp.float32)
    (batch,) = export.symbolic_shape("2*b")
    with context():
        exported = export.export(both)(jax.ShapeDtypeStruct((batch, *shape), jnp.float32))
    found, expected = exported.call(x), both(x)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(jnp.abs(b).max()))


def test_a_symbolic_batch_that_may_not_divide_is_one_sentence():
    (batch,) = export.symbolic_shape("b")
    x = jax.ShapeDtypeStruct((batch, 4), jnp.float32)
    op = jax.jit(lambda x: ops.batch_norm_train(x, None, None, epsilon=1e-3, group_size=2)[0])
    with pytest.raises(ValueError, match=r"for a symbolic batch a multiple such as 2\*b"):
        export.export(op)(x)


def test_every_op_is_exported_here():
    named = {name.split()[0] for name in SYMBOLIC} | {"conv2d", "local_response_norm"}
    contexts = {"current_target", "on_mesh", "portable", "target"}
    assert set(ops.__all__) - contexts <= named
