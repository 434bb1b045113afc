"""Every variant of every family: counts, shapes, sizes, channels, types, training, serialisation.

Counts and shapes are those of references.py. Whatever `jax.eval_shape` can prove is proved
abstractly, for every variant; the cheapest variant of each family really trains.
"""

import functools

import flax.linen as nn
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
import references
from flax.traverse_util import flatten_dict
from networks import unchecked
from variables import random_variables

from jaxcnn.costs.summary import summarize
from jaxcnn.models import create_model, list_models
from jaxcnn.train.losses import cross_entropy
from jaxcnn.train.step import make_loss

VARIANTS = sorted(list_models())
# A trace of 1202 layers takes longer than those of all other CIFAR nets.
MARKED = [pytest.param(n, marks=[pytest.mark.slow] * (n == "resnet1202")) for n in VARIANTS]
CHEAPEST = {}  # of each family, by parameters
for variant, family_name in list_models().items():
    if references.PARAMETERS.get(variant, 0) < references.PARAMETERS.get(
        CHEAPEST.get(family_name), np.inf
    ):
        CHEAPEST[family_name] = variant

KEY = jax.eval_shape(jax.random.key, 0)


@pytest.fixture(scope="module", params=MARKED)
def name(request):
    """Module scope, so that all tests of a variant run together and share its traces."""
    return request.param


def images(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@functools.cache
def traced(name):
    """The abstract {params, batch_stats, intermediates} of the variant at its own input size."""
    model = create_model(name)
    init = functools.partial(model.init, capture_intermediates=True, mutable=True)
    return jax.eval_shape(init, KEY, images(1, *model.input_shape))


def answer(name, batch, side):
    """The shape of the logits: one vector an image, or in the family of FCN one a pixel."""
    model = create_model(name)
    pixels = (side, side) if list_models()[name] == "fcn" else ()
    return (batch, *pixels, model.num_classes)


def test_every_variant_has_its_references():
    for table in (references.PARAMETERS, references.MULTIPLY_ADDS, references.SHAPES):
        assert sorted(table) == VARIANTS
    assert all(references.SHAPES.values())


def test_parameters_and_shapes(name):
    tree = traced(name)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(tree["params"]))
    assert parameters == references.PARAMETERS[name]
    assert {leaf.dtype for leaf in jax.tree.leaves((tree["params"], tree.get("batch_stats")))} == {
        jnp.dtype("float32")
    }
    outputs = {
        "/".join(path[:-1]): getattr(out[0], "shape", ())[1:]
        for path, out in flatten_dict(tree["intermediates"]).items()
    }
    expected = references.SHAPES[name]
    assert {path: outputs.get(path) for path in expected} == expected


def test_multiply_adds(name):
    macs = summarize(name).macs  # by itself: a wrong count should not print the whole summary
    assert macs == references.MULTIPLY_ADDS[name]


def test_training_step_in_bfloat16(name):
    """At the smallest size: the result has the types and shapes of its arguments."""
    model = create_model(name, dtype=jnp.bfloat16)
    side, channels = model.smallest_image(), model.input_shape[2]
    logits = answer(name, 2, side)
    params, stats = traced(name)["params"], traced(name).get("batch_stats", {})
    batch = (
        images(2, side, side, channels),
        images(*logits),
        jax.ShapeDtypeStruct(logits[:-1], jnp.int32),
        images(2),
    )
    step = jax.value_and_grad(make_loss(model, cross_entropy, aux_weight=0.3), has_aux=True)
    (loss, (_, new_stats)), grads = jax.eval_shape(step, params, stats, KEY, *batch)
    assert loss.dtype == jnp.float32 and loss.shape == ()
    assert (grads, new_stats) == (params, stats)


def representatives():
    """One variant of each module class and smallest size."""
    found = {}
    for name in VARIANTS:
        model = create_model(name)
        found.setdefault((list_models()[name], type(model).__name__, model.smallest_image()), name)
    return sorted(found.values())


@pytest.mark.parametrize("name", representatives())
def test_smallest_size(name):
    """The smallest image passes; one pixel less is refused, and would leave some map empty."""
    model = create_model(name)
    side, channels = model.smallest_image(), model.input_shape[2]
    logits, _ = jax.eval_shape(model.init_with_output, KEY, images(2, side, side, channels))
    assert logits.shape == answer(name, 2, side) and logits.dtype == jnp.float32
    if side == 1:
        return
    less = images(2, side - 1, side - 1, channels)
    with pytest.raises(ValueError, match=f"smallest image it can take is {side}x{side}"):
        jax.eval_shape(model.init, KEY, less)
    try:
        init = functools.partial(unchecked(model).init, capture_intermediates=True, mutable=True)
        maps = jax.tree.leaves(jax.eval_shape(init, KEY, less)["intermediates"])
    except (ValueError, TypeError, ZeroDivisionError):
        return
    assert min(leaf.size for leaf in maps) == 0


@pytest.mark.parametrize(
    "name",
    sorted({(f, type(create_model(n)).__name__): n for n, f in list_models().items()}.values()),
)
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_classes_and_logits(name, channels):
    model = create_model(name, num_classes=7, dtype=jnp.bfloat16)
    side = model.smallest_image()
    logits, variables = jax.eval_shape(model.init_with_output, KEY, images(2, side, side, channels))
    assert logits.shape == (*answer(name, 2, side)[:-1], 7) and logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    with pytest.raises(ValueError, match=r"expected 1 \(grey\) or 3 \(RGB\) channels"):
        jax.eval_shape(model.init, KEY, images(2, side, side, 2))
    with pytest.raises(ValueError, match="expected images"):
        jax.eval_shape(model.init, KEY, images(side, side, channels))


# The cheapest of each family; those with more than two million parameters take over ten seconds
# to compile.
# Of these families tests/weights/test_parity.py compares the gradients of another variant with
# PyTorch's, and compiling takes half a minute.
COMPARED = {"googlenet", "inception", "efficientnet"}


def cost(name):
    large = references.PARAMETERS.get(name, 0) > 2e6
    compared = list_models()[name] in COMPARED
    return [pytest.mark.slow] * large + [pytest.mark.exhaustive] * compared


TRAINED = [pytest.param(n, marks=cost(n)) for n in sorted(CHEAPEST.values())]


@functools.cache
def trained(name):
    """(gradients, variables before, variables after, losses before and after) of a step of SGD.

    The images have 32 pixels or the smallest size.
    """
    model = create_model(name)
    # Enough pixels for BatchNorm at the end of the deep ones. ReLU6 needs more than one there: with
    # four values a channel its loss is chaotic (the gradient fits steps below 5e-6 only).
    side = max(model.smallest_image(), 64 if "lite" in name else 32)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(4, side, side, model.input_shape[2])), jnp.float32)
    labels = jnp.arange(4) % model.num_classes
    if list_models()[name] == "fcn":
        labels = jnp.asarray(rng.integers(0, model.num_classes, (4, side, side)))
    batch = (x, jax.nn.one_hot(labels, model.num_classes), labels, jnp.ones(4))
    # These compile in two thirds of the time.
    quick = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    before = random_variables(model, x)
    loss_fn = make_loss(model, cross_entropy, aux_weight=0.3)
    step = jax.jit(jax.value_and_grad(loss_fn, has_aux=True), compiler_options=quick)
    (loss, (_, stats)), grads = step(
        before["params"], before["batch_stats"], jax.random.key(1), *batch
    )
    rate = 0.005 / optax.tree.norm(grads)
    params = optax.apply_updates(
        before["params"], jax.tree.map(functools.partial(jnp.multiply, -rate), grads)
    )
    (next_loss, _), _ = step(params, stats, jax.random.key(1), *batch)
    return grads, before, {"params": params, "batch_stats": stats}, (float(loss), float(next_loss))


@pytest.mark.parametrize("name", TRAINED)
def test_trains(name):
    """Every gradient is finite, running statistics move, the loss falls on the batch trained on."""
    grads, before, after, losses = trained(name)
    for path, grad in flatten_dict(grads).items():
        assert np.isfinite(grad).all(), path
        assert np.any(grad != 0) or path[-1] == "bias", path
    for path, old in flatten_dict(before["batch_stats"]).items():
        assert np.any(old != flatten_dict(after["batch_stats"])[path]), path
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", TRAINED)
def test_checkpoint_round_trip(name, tmp_path):
    """MessagePack gives back the tree to the bit, and Orbax those below 20 million parameters."""
    _, _, variables, _ = trained(name)
    variables = {key: value for key, value in variables.items() if value}
    template = jax.tree.map(jnp.zeros_like, variables)
    again = flax.serialization.from_bytes(template, flax.serialization.to_bytes(variables))
    jax.tree.map(np.testing.assert_array_equal, again, variables)
    if references.PARAMETERS[name] < 20e6:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(tmp_path / "variables", variables)
            checkpointer.wait_until_finished()
            again = checkpointer.restore(tmp_path / "variables", template)
        jax.tree.map(np.testing.assert_array_equal, again, variables)


def test_lookup():
    assert list_models("resnet18") == {"resnet18": "resnet"}
    assert list(list_models("vgg1?")) == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert list_models("nothing*") == {}
    assert list(list_models()) == VARIANTS and sorted(VARIANTS) == VARIANTS
    model = create_model("resnet18", num_classes=5, dtype=jnp.bfloat16)
    assert isinstance(model, nn.Module) and model.num_classes == 5 and model.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("asked", "nearest"),
    [("resnet05", "resnet50"), ("vgg-16", "vgg16"), ("efficientnet_b8", "efficientnet_b0")],
)
def test_unknown_name_suggests(asked, nearest):
    with pytest.raises(ValueError, match=rf"no model '{asked}' \(did you mean .*{nearest}"):
        create_model(asked)


def test_unknown_field_lists_the_fields():
    with pytest.raises(
        ValueError,
        match=r"resnet18 has no field 'classes'; its fields are .*dropout_rate, dtype.*num_classes",
    ):
        create_model("resnet18", classes=10)
