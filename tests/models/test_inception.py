"""The Inception networks after GoogLeNet: the papers' maps, auxiliary heads, residual blocks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from networks import unchecked
from references import PARAMETERS, SHAPES

from jaxcnn.layers.branches import ConvBN, Inception, read_branch
from jaxcnn.models import create_model, inception
from jaxcnn.models._inception_tables import bn_module
from jaxcnn.models.inception import InceptionResidual, Residual

SMALLEST = {
    "bn_inception": 7,
    "inception_v3": 75,
    "inception_v4": 75,
    "inception_resnet_v1": 75,
    "inception_resnet_v2": 75,
}
SMALLER = dict.fromkeys(SMALLEST, 75) | {"bn_inception": 32}  # images of the real forward passes


@functools.cache
def shapes(name):
    model = create_model(name)
    return jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, *model.input_shape))))


def size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", inception.VARIANTS)
def test_the_papers_maps(name):
    model, variables = create_model(name), shapes(name)
    images = jnp.zeros((1, *model.input_shape))
    assert size(variables["params"]) == PARAMETERS[name]
    _, state = jax.eval_shape(
        lambda v: model.apply(v, images, capture_intermediates=True, mutable=["intermediates"]),
        variables,
    )
    outputs = flatten_dict(state["intermediates"], sep="/")
    assert {layer: outputs[f"{layer}/__call__"][0].shape[1:] for layer in SHAPES[name]} == SHAPES[
        name
    ]


@pytest.mark.parametrize("name", SMALLEST)
def test_smallest_image(name):
    model, smallest = create_model(name), SMALLEST[name]
    images = jnp.zeros((1, smallest, smallest, 3))
    assert jax.eval_shape(model.apply, shapes(name), images).shape == (1, model.num_classes)
    with pytest.raises(ValueError, match=f"smallest image it can take is {smallest}x{smallest}"):
        jax.eval_shape(model.apply, shapes(name), images[:, 1:])
    with pytest.raises(ValueError):  # without the check, the geometry itself fails
        jax.eval_shape(unchecked(model).apply, shapes(name), images[:, 1:])


@pytest.mark.parametrize("side", range(1, 7))
def test_halving_module_takes_odd_maps(side):
    module = Inception(bn_module(0, 4, 5, 4, 6, "max", 0), ConvBN)
    variables = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros((1, 4, 4, 7))))
    half = (side + 1) // 2
    assert jax.eval_shape(module.apply, variables, jnp.zeros((1, side, side, 7))).shape == (
        1,
        half,
        half,
        5 + 6 + 7,
    )


# {network: (channels that its head reads, parameters of torchvision's or timm's without one)}
HEADS = {
    "inception_v3": (768, 23_834_568),
    "inception_v4": (1024, 42_679_816),
    "inception_resnet_v2": (1088, 55_843_464),
}


@pytest.mark.parametrize("name", HEADS)
def test_auxiliary_head(name):
    model, variables = create_model(name), shapes(name)
    channels, without = HEADS[name]
    assert variables["params"]["aux"]["conv1"]["conv"]["kernel"].shape == (1, 1, channels, 128)
    assert size(variables["params"]) - size(variables["params"]["aux"]) == without

    def apply(variables, side, train):
        rngs = {"dropout": jax.random.key(0)} if train else {}
        images, mutable = jnp.zeros((2, side, side, 3)), ["batch_stats", "aux_logits"]
        return model.apply(variables, images, train=train, mutable=mutable, rngs=rngs)

    # A map of 17x17, as in the paper, or one of 3x3, which is pooled to conv2's window.
    for side in (299, 75) if name == "inception_v3" else (75,):
        _, state = jax.eval_shape(functools.partial(apply, side=side, train=True), variables)
        assert jax.tree.map(jnp.shape, state["aux_logits"]) == {"aux": {"logits": ((2, 1000),)}}
    _, state = jax.eval_shape(functools.partial(apply, side=75, train=False), variables)
    assert "aux_logits" not in state


def random_variables(tree, num_classes, seed=0):
    """Variables of `tree`'s shapes but for `num_classes`.

    Weights have He's scale, statistics lie away from their initial values.
    """
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        name, shape = path[-1].key, leaf.shape
        if path[-2].key == "fc":
            shape = (*shape[:-1], num_classes)
        if name == "kernel":
            return jnp.asarray(
                rng.standard_normal(shape, np.float32)
                * np.sqrt(2 / np.prod(shape[:-1]), dtype=np.float32)
            )
        return (
            jnp.asarray(rng.uniform(0.5, 1.5, shape), jnp.float32)
            if name in ("scale", "var")
            else jnp.full(shape, 0.1)
        )

    return jax.tree_util.tree_map_with_path(draw, tree)


# The others are made of the same branches.
IN_CI = ("inception_v3", "inception_resnet_v2")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.exhaustive] * (n not in IN_CI)) for n in SMALLER]
)
def test_forward_and_class_map(name):
    model = create_model(name, num_classes=3)
    images = jnp.asarray(
        np.random.default_rng(1).normal(size=(2, SMALLER[name], SMALLER[name] + 40, 3)), jnp.float32
    )
    variables = random_variables(shapes(name), 3)
    logits = model.apply(variables, images)
    class_map = model.clone(class_map=True).apply(variables, images)
    assert logits.dtype == jnp.float32 and bool(jnp.all(jnp.isfinite(logits)))
    assert class_map.shape[1] < class_map.shape[2] and class_map.shape[-1] == 3
    np.testing.assert_allclose(
        jnp.mean(class_map, axis=(1, 2)),
        logits,
        rtol=1e-4,
        atol=1e-4 * float(jnp.abs(logits).max()),
    )
    assert float(jnp.abs(logits[0] - logits[1]).max()) > 1e-3 * float(jnp.abs(logits).max())


@pytest.mark.parametrize(("scale", "relu"), [(0.17, True), (1.0, False)])
def test_residual_block(scale, relu):
    block = InceptionResidual(
        Residual(("1x1 4", "1x1 4, 1x3 6, 3x1 6"), scale, relu),
        ConvBN,
        jnp.float32,
        jax.nn.initializers.he_normal(),
    )
    x = jnp.asarray(np.random.default_rng(2).normal(size=(2, 5, 5, 8)), jnp.float32)
    variables = random_variables(jax.eval_shape(lambda: block.init(jax.random.key(0), x)), 1)
    assert variables["params"]["linear"]["kernel"].shape == (1, 1, 10, 8)
    y, state = block.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])
    ends = [
        state["intermediates"][name]["__call__"][0] for name in ("branch1_conv1", "branch2_conv3")
    ]
    linear = variables["params"]["linear"]
    expected = np.asarray(x) + scale * (
        np.concatenate(ends, -1) @ np.asarray(linear["kernel"])[0, 0] + np.asarray(linear["bias"])
    )
    np.testing.assert_allclose(
        y, np.maximum(expected, 0) if relu else expected, rtol=1e-4, atol=1e-5
    )


def test_scales_and_numbers_of_residual_blocks():
    def rows(name):
        return [
            (row.scale, row.relu)
            for _, row in inception.VARIANTS[name]["layers"]
            if isinstance(row, Residual)
        ]

    assert (
        rows("inception_resnet_v1") == [(0.17, True)] * 5 + [(0.10, True)] * 10 + [(0.20, True)] * 5
    )
    assert rows("inception_resnet_v2") == [(0.17, True)] * 10 + [(0.10, True)] * 20 + [
        (0.20, True)
    ] * 9 + [(1.0, False)]


@pytest.mark.parametrize("name", inception.VARIANTS)
def test_averages_count_padding_as_their_ports_do(name):
    modules = [
        row
        for _, row in inception.VARIANTS[name]["layers"]
        if isinstance(row, tuple) and not isinstance(row, Residual)
    ]
    pools = {
        step.pool
        for module in modules
        for branch in module
        for steps in read_branch(branch, 1)
        for step in steps
    } - {"", "max"}
    assert pools == {
        "bn_inception": {"avg"},
        "inception_v3": {"avg"},
        "inception_resnet_v1": set(),
    }.get(name, {"avg_inside"})
