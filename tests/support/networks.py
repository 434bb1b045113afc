"""Small networks for the tests of the families.

They are built, run with every layer's output kept, and their dense layers redone in NumPy.
"""

import functools

import flax.linen as nn
import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxcnn.models import create_model

# A generator that compiles in a tenth of the default's time.
KEY = functools.partial(jax.random.key, impl="unsafe_rbg")


def build(name, shape, **fields):
    """(model, variables, images): `name` with random variables, and images of `shape` [B, H, W, C].

    Kernels have He's variance; biases, scales and running means are N(0, 0.1) around 0 or 1,
    variances lie in 0.5 to 1.5. All are drawn by NumPy, so nothing is compiled.
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


def logits_shape(model, shape, **fields):
    """The shape of the logits or the class map for images of `shape`, without computing them.

    `model` is a network or the name of one with `fields`.
    """
    model = create_model(model, **fields) if isinstance(model, str) else model
    images = jax.ShapeDtypeStruct(shape, np.float32)
    return jax.eval_shape(lambda x: model.init_with_output(jax.random.key(0), x)[0], images).shape


def unchecked(model):
    """The same network without its check of sizes: images that it cannot take meet its geometry."""
    kind = type(model)
    fields = {name: getattr(model, name) for name in kind.__dataclass_fields__}
    without = type(kind.__name__, (kind,), {"smallest_image": nn.nowrap(lambda self: 0)})
    return without(**fields)


def assert_smallest(name, side, **fields):
    """`side` x `side` images pass, grey ones too; one pixel less is an error that names `side`.

    And rightly so: without the check, the geometry ends there.
    """
    model = create_model(name, **fields)
    for channels in (1, 3):
        assert logits_shape(model, (2, side, side, channels))[0] == 2
    for shape in ((2, side - 1, side, 3), (2, side, side - 1, 3)):
        with pytest.raises(ValueError, match=f"smallest image it can take is {side}x{side} pixels"):
            logits_shape(model, shape)
        with pytest.raises(ValueError, match=r"does not fit a map|slides a"):
            logits_shape(unchecked(model), shape)


def response_norm(x, k, alpha_on_sum, n=5, beta=0.75):
    """Section 3.3's formula as it is printed, map by map."""
    x = np.asarray(x, np.float64)
    out = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(0, c - n // 2) : c + n // 2 + 1]
        out[..., c] = x[..., c] / (k + alpha_on_sum * (near**2).sum(-1)) ** beta
    return out


def slide(x, layers, params):
    """The dense `layers` [name, ...] over every window of x, with ReLUs between.

    A window is what the kernel of the first layer spans: [B, H, W, C] -> [B, h, w, K].
    """
    side = round((params[layers[0]]["kernel"].shape[0] / x.shape[-1]) ** 0.5)
    b, h, w, _ = x.shape
    scores = []
    for i in range(h - side + 1):
        for j in range(w - side + 1):
            y = x[:, i : i + side, j : j + side].reshape(b, -1).astype(np.float64)
            for layer in layers:
                kernel, bias = (
                    np.asarray(params[layer][k], np.float64) for k in ("kernel", "bias")
                )
                y = y @ kernel + bias
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
