"""GoogLeNet: Table 1, its auxiliary heads, and what its three variants do differently."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from networks import unchecked
from references import PARAMETERS, SHAPES

from jaxcnn.models import create_model, googlenet

# The paper's counts without heads, torchvision's "num_params" (its weights have none), and a
# network that has none.
WITHOUT_HEADS = {
    "googlenet": 6_998_552,
    "googlenet_bn": 6_624_904,
    "googlenet_cifar10": PARAMETERS["googlenet_cifar10"],
    "googlenet_d2l": PARAMETERS["googlenet_d2l"],
}
# 15 is torchvision's "min_size".
SMALLEST = {
    "googlenet": 31,
    "googlenet_bn": 15,
    "googlenet_cifar10": 8,
}


def shapes(model, images):
    return jax.eval_shape(lambda: model.init(jax.random.key(0), images))


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def random_variables(model, images, seed=0):
    """Weights of He's scale, biases and statistics away from their initial values."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        name = path[-1].key
        if name == "kernel":
            return rng.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape).astype(
                np.float32
            )
        return (
            rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
            if name in ("scale", "var")
            else np.full(leaf.shape, 0.1, np.float32)
        )

    return jax.tree.map(jnp.asarray, jax.tree_util.tree_map_with_path(draw, shapes(model, images)))


@pytest.mark.parametrize("name", sorted(SHAPES.keys() & googlenet.VARIANTS.keys()))
def test_table_1(name):
    model = create_model(name)
    images = jnp.zeros((1, *model.input_shape))
    variables = shapes(model, images)
    assert size(variables["params"]) == PARAMETERS[name]
    assert size(shapes(model.clone(aux_heads=False), images)["params"]) == WITHOUT_HEADS[name]
    _, state = jax.eval_shape(
        lambda v: model.apply(v, images, capture_intermediates=True, mutable=["intermediates"]),
        variables,
    )
    outputs = flatten_dict(state["intermediates"], sep="/")
    assert {layer: outputs[f"{layer}/__call__"][0].shape[1:] for layer in SHAPES[name]} == SHAPES[
        name
    ]


def test_the_5x5_branch():
    kernels = {}
    for name in googlenet.VARIANTS:
        model = create_model(name)
        params = shapes(model, jnp.zeros((1, *model.input_shape)))["params"]
        kernels[name] = jax.tree.leaves(params["inception_3a"]["5x5"])[-1].shape
    assert kernels == {
        "googlenet": (5, 5, 16, 32),
        "googlenet_bn": (3, 3, 16, 32),
        "googlenet_cifar10": (5, 5, 16, 32),
        "googlenet_d2l": (5, 5, 16, 32),
    }


@pytest.mark.parametrize("name", SMALLEST)
def test_smallest_image(name):
    model, smallest = create_model(name), SMALLEST[name]
    variables = shapes(model, jnp.zeros((1, *model.input_shape)))
    images = jnp.zeros((1, smallest, smallest, 3))
    assert jax.eval_shape(model.apply, variables, images).shape == (1, model.num_classes)
    with pytest.raises(ValueError, match=f"smallest image it can take is {smallest}x{smallest}"):
        jax.eval_shape(model.apply, variables, images[:, 1:])
    with pytest.raises(ValueError):  # without the check, the geometry itself fails
        jax.eval_shape(unchecked(model).apply, variables, images[:, 1:])


@pytest.mark.parametrize(
    ("name", "side"), [("googlenet", 224), ("googlenet", 48), ("googlenet_bn", 320)]
)
def test_auxiliary_logits_in_training_only(name, side):
    model = create_model(name, num_classes=7)
    images = jnp.zeros((2, side, side, 3))
    variables = shapes(model, jnp.zeros((1, 224, 224, 3)))

    def apply(variables, train):
        rngs = {"dropout": jax.random.key(0)} if train else {}
        return model.apply(
            variables, images, train=train, mutable=["aux_logits", "batch_stats"], rngs=rngs
        )

    _, state = jax.eval_shape(lambda v: apply(v, True), variables)
    assert {k: v["logits"][0].shape for k, v in state["aux_logits"].items()} == {
        "aux1": (2, 7),
        "aux2": (2, 7),
    }
    _, state = jax.eval_shape(lambda v: apply(v, False), variables)
    assert "aux_logits" not in state
    assert "aux_logits" not in jax.eval_shape(
        lambda: model.init(
            {"params": jax.random.key(0), "dropout": jax.random.key(0)}, images, train=True
        )
    )


@pytest.mark.slow
def test_auxiliary_gradient_reaches_the_stem_and_not_beyond_its_module():
    model = create_model("googlenet", num_classes=3, dropout_rate=0.0, aux_dropout_rate=0.0)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(1, 32, 32, 3)), jnp.float32)
    variables = random_variables(model, images)

    @jax.jit
    @jax.grad
    def gradient(params):
        _, state = model.apply({"params": params}, images, train=True, mutable=["aux_logits"])
        return jnp.sum(jnp.square(state["aux_logits"]["aux1"]["logits"][0]))

    largest = {
        layer: max(float(jnp.max(jnp.abs(g))) for g in jax.tree.leaves(tree))
        for layer, tree in gradient(variables["params"]).items()
    }
    reached = {layer for layer, value in largest.items() if value > 0}
    assert reached == {
        "conv1",
        "conv2_reduce",
        "conv2",
        "inception_3a",
        "inception_3b",
        "inception_4a",
        "aux1",
    }


def test_paper_pools_5x5_with_stride_3():
    head = googlenet.AuxiliaryHead(
        3,
        lambda *_, **__: lambda x, train: x[..., :2],
        "pool: avg 5x5 /3 V",
        0.0,
        {},
        jax.nn.initializers.zeros,
    )
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 14, 14, 4)), jnp.float32)
    variables = head.init(jax.random.key(0), x, True)
    _, state = head.apply(variables, x, True, capture_intermediates=True, mutable=["intermediates"])
    expected = [
        [np.asarray(x)[0, r : r + 5, c : c + 5].mean((0, 1)) for c in (0, 3, 6, 9)]
        for r in (0, 3, 6, 9)
    ]
    np.testing.assert_allclose(
        state["intermediates"]["pool"]["__call__"][0][0], np.array(expected), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_forward_and_class_map(name):
    model = create_model(name, num_classes=5)
    images = 100 * jnp.asarray(np.random.default_rng(1).normal(size=(2, 48, 64, 3)), jnp.float32)
    variables = random_variables(model, images)
    logits, state = model.apply(
        variables, images, capture_intermediates=True, mutable=["intermediates"]
    )
    class_map = model.clone(class_map=True).apply(variables, images)
    assert logits.dtype == jnp.float32 and bool(jnp.all(jnp.isfinite(logits)))
    assert class_map.shape[0] == 2 and class_map.shape[-1] == 5 and class_map.ndim == 4
    np.testing.assert_allclose(
        jnp.mean(class_map, axis=(1, 2)),
        logits,
        rtol=1e-4,
        atol=1e-4 * float(jnp.abs(logits).max()),
    )
    if name == "googlenet":  # Caffe's normalisation: k 1, alpha 1e-4 divided by the size 5
        pool1, norm1 = (
            np.asarray(state["intermediates"][layer]["__call__"][0], np.float64)
            for layer in ("pool1", "norm1")
        )
        squares = np.pad(pool1**2, ((0, 0),) * 3 + ((2, 2),))
        total = np.lib.stride_tricks.sliding_window_view(squares, 5, axis=-1).sum(-1)
        np.testing.assert_allclose(norm1, pool1 / (1 + 1e-4 / 5 * total) ** 0.75, rtol=1e-4)
        assert (norm1 < 0.9 * pool1)[pool1 > 50].any()
