"""Derivatives of ours under JAX's transformations, against XLA's own forms (`ops.portable`)."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops
from jaxcnn.ops import wide_gradient
from jaxcnn.ops.geometry import Geometry
from jaxcnn.ops.linear_map import linear_map


def numbers(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def convolution(x, kernel, **arguments):
    """(convolution as a function of x and kernel, x, kernel)."""
    return partial(ops.conv2d, **arguments), numbers(0, *x), numbers(1, *kernel)


def normalise(x, scale):
    y, mean, var = ops.batch_norm_train(x, scale, jnp.ones_like(scale), epsilon=0.1, group_size=2)
    return y + mean[None, None, None] + var[None, None, None]


def normalise_around(x, scale):
    return ops.batch_norm_train(
        x, scale, jnp.ones_like(scale), epsilon=0.1, group_size=2, pivot=0.1 * jnp.ones(2)
    )[0]


def respond(x, scale):
    return ops.local_response_norm(x * scale[None, None, None], size=3, alpha=0.5, beta=0.75, k=2.0)


def wide_convolution(x, kernel):
    g = Geometry(x.shape, kernel.shape, (2, 1), ((1, 1), (1, 0)), 1, x.dtype)
    return wide_gradient.convolve(x, kernel, g)


def scaled_maximum(x, scale):
    return ops.max_pool(x * scale[None, None, None], 3, 2, padding=1, ceil=True)


# fmt: off
CASES = {
    "blocked": convolution((2, 5, 6, 2), (3, 2, 2, 3), stride=2, padding=1, lowering="blocked"),
    "winograd": convolution((2, 4, 5, 2), (3, 3, 2, 3), padding=1, lowering="winograd"),
    "split": convolution((1, 4, 4, 4), (3, 3, 2, 6), padding=1, groups=2, lowering="split"),
    "shifted": convolution((2, 5, 6, 3), (3, 3, 1, 6), stride=2, padding=1, groups=3,
                           lowering="shifted"),
    "space_to_depth": convolution((1, 7, 7, 2), (3, 3, 2, 3), stride=2, lowering="space_to_depth"),
    "auto": convolution((1, 3, 3, 64), (3, 3, 64, 64), padding=1),
    "max_pool": (scaled_maximum, numbers(0, 2, 5, 6, 3), numbers(1, 3)),
    "batch_norm_train": (normalise, numbers(0, 4, 3, 3, 2), numbers(1, 2)),
}
ON_ACCELERATORS = {
    "max_pool": CASES["max_pool"],
    "batch_norm_train": (normalise_around, numbers(0, 4, 3, 3, 2), numbers(1, 2)),
    "wide convolution": (wide_convolution, numbers(0, 2, 5, 6, 2), numbers(1, 3, 2, 2, 3)),
    "wide product": (wide_gradient.product, numbers(0, 3, 4), numbers(1, 4, 2)),
    "local_response_norm": (respond, numbers(0, 2, 2, 3, 6), numbers(1, 6)),
}
# fmt: on


@pytest.mark.parametrize(("function", "x", "k"), CASES.values(), ids=CASES)
def test_all_transformations(function, x, k):
    check_all_transformations(function, x, k)


@pytest.mark.parametrize(
    ("function", "x", "k"), ON_ACCELERATORS.values(), ids=list(ON_ACCELERATORS)
)
def test_all_transformations_of_the_forms_of_accelerators(function, x, k):
    """Computed here: only their speed is theirs."""
    with ops.target(platform="gpu", devices=1):
        check_all_transformations(function, x, k)


def check_all_transformations(function, x, k):
    dx, dk = numbers(2, *x.shape), numbers(3, *k.shape)

    def all_of_them(function):
        def loss(x, k):
            return jnp.sum(jnp.sin(function(x, k)))

        gradient = jax.grad(loss, (0, 1))
        batch = jnp.stack([x, dx])
        return {
            "tangent": jax.jvp(function, (x, k), (dx, dk))[1],
            "tangent of the images": jax.linearize(lambda x: function(x, k), x)[1](dx),
            "tangent of the kernel": jax.jvp(lambda k: function(x, k), (k,), (dk,))[1],
            "forward over reverse": jax.jvp(gradient, (x, k), (dx, dk))[1],
            "reverse over forward": jax.grad(
                lambda x: jnp.vdot(jax.jvp(lambda k: loss(x, k), (k,), (dk,))[1], 1.0)
            )(x),
            "reverse over reverse": jax.grad(lambda k: jnp.sum(gradient(x, k)[0] * dx))(k),
            "vmap": jax.vmap(lambda x: function(x, k))(batch),
            "gradient of vmap": jax.vmap(gradient, (0, None))(batch, k),
            "vmap over both": jax.vmap(gradient)(batch, jnp.stack([k, dk])),
        }

    found = jax.jit(lambda: all_of_them(function))()
    with ops.portable():
        expected = jax.jit(lambda: all_of_them(plain(function)))()
    for name, wanted in expected.items():
        for a, b in zip(jax.tree.leaves(found[name]), jax.tree.leaves(wanted), strict=True):
            scale = float(jnp.abs(b).max()) + 1e-3
            np.testing.assert_allclose(a / scale, b / scale, atol=1e-4, err_msg=name)


def plain(function):
    """The same with XLA's own convolution in place of a named lowering."""
    if isinstance(function, partial):
        return partial(function, lowering="auto")
    return function


def test_a_transpose_is_that_which_was_given():
    """The gradient is what `transpose` says, even where it is not the transpose."""

    def triple(static, residuals, inputs):
        return [static * inputs[0]]

    def sevenfold(static, residuals, outputs):
        return [7 * outputs[0]]

    def function(x):
        (y,) = linear_map(triple, sevenfold, 3.0, [], [x], like=[x])
        return y

    x = jnp.arange(2.0)
    np.testing.assert_array_equal(function(x), 3 * x)
    np.testing.assert_array_equal(jax.grad(lambda x: jnp.sum(function(x)))(x), [7, 7])
    np.testing.assert_array_equal(jax.jvp(function, (x,), (x,))[1], 3 * x)
    np.testing.assert_array_equal(jax.linear_transpose(function, x)(x)[0], 7 * x)
