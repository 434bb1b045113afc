"""Small networks for the tests of the families: built, run with every layer's output kept, and their dense layers redone in NumPy."""

import functools
import sys
from unittest import mock

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxcnn.models import create_model

# A generator that compiles in a tenth of the default's time.
KEY = functools.partial(jax.random.key, impl="unsafe_rbg")


def build(name, shape, **fields):
    """(model, variables, images): `name` with random kernels of He's variance, and random images of `shape` [B, H, W, C].

    Biases, scales and running means are N(0, 0.1) around 0 or 1, variances in 0.5 to 1.5; all drawn by NumPy, nothing is compiled.
    """
    model = create_model(name, **fields)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, np.float32))

    def draw(path, leaf):
        kind = path[-1].key
        if kind == "var":
            return rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
        std = (2 / np.prod(leaf.shape[:-1])) ** 0.5 if kind == "kernel" else 0.1
        return (
            std * rng.standard_normal(leaf.shape, np.float32) + (kind in ("scale", "coefficient"))
        ).astype(np.float32)

    return (
        model,
        jax.tree_util.tree_map_with_path(draw, shapes),
        rng.standard_normal(shape, np.float32),
    )


def initial(name, shape, **fields):
    """The parameters that `name` starts from."""
    model = create_model(name, **fields)
    return jax.jit(model.init)(KEY(0), np.zeros(shape, np.float32))["params"]


@functools.cache
def _compiled(model, train):
    return jax.jit(
        lambda variables, images, key: model.apply(
            variables, images, train=train, rngs={"dropout": key}
        )
    )


def run(model, variables, images, train=False, dropout=0):
    """The logits, compiled; `dropout` seeds the dropout of `train`."""
    return np.asarray(_compiled(model, train)(variables, images, KEY(dropout)))


def outputs(model, variables, images, **kwargs):
    """{"layer/path": output} of every module called once, and {"": logits}."""
    keep = jax.jit(lambda v, x: model.apply(v, x, capture_intermediates=True, **kwargs))
    _, kept = keep(variables, images)
    kept = flatten_dict(kept["intermediates"], sep="/")
    return {
        path.removesuffix("__call__").removesuffix("/"): np.asarray(value[0])
        for path, value in kept.items()
    }


def logits_shape(name, shape, **fields):
    """The shape of the logits or the class map for images of `shape`, without computing them."""
    model = create_model(name, **fields)
    images = jax.ShapeDtypeStruct(shape, np.float32)
    return jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x)[0], images).shape


def assert_smallest(name, side, **fields):
    """`side` x `side` images pass, grey ones too; one pixel less ends in the sentence that names `side`, and rightly so."""
    for channels in (1, 3):
        assert logits_shape(name, (2, side, side, channels), **fields)[0] == 2
    family = sys.modules[type(create_model(name)).__module__]
    for shape in ((2, side - 1, side, 3), (2, side, side - 1, 3)):
        with pytest.raises(
            ValueError, match=rf"smallest image it can take is {side}x{side} pixels"
        ):
            logits_shape(name, shape, **fields)
        with (
            mock.patch.object(family, "check_images"),
            pytest.raises(ValueError, match=r"does not fit a map|slides a"),
        ):
            logits_shape(name, shape, **fields)  # and it could not: the geometry ends there


def slide(x, layers, params):
    """The dense `layers` [name, ...] over every window of x [B, H, W, C] that the first one's kernel spans, ReLU between: [B, h, w, K]."""
    side = round((params[layers[0]]["kernel"].shape[0] / x.shape[-1]) ** 0.5)
    b, h, w, _ = x.shape
    scores = []
    for i in range(h - side + 1):
        for j in range(w - side + 1):
            y = x[:, i : i + side, j : j + side].reshape(b, -1).astype(np.float64)
            for layer in layers:
                y = y @ np.asarray(params[layer]["kernel"], np.float64) + np.asarray(
                    params[layer]["bias"], np.float64
                )
                y = y if layer == layers[-1] else np.maximum(y, 0)
            scores.append(y)
    return np.stack(scores, 1).reshape(b, h - side + 1, w - side + 1, -1)


def count(tree):
    """Number of parameters in a tree."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def close(found, expected, limit=1e-5):
    """Asserts that arrays agree to `limit` of the largest expected value (or of 1)."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= limit * max(1.0, np.abs(expected).max())


def without_biases(variables):
    """The variables with every bias set to zero."""
    return jax.tree_util.tree_map_with_path(
        lambda path, x: np.zeros_like(x) if path[-1].key == "bias" else x, variables
    )
