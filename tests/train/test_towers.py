"""Networks divided over the axis `model`: AlexNet's towers, linear layers in slices.

The numbers are the same, and only the exchanges that are meant happen.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from networks import build

from jaxcnn import ops
from jaxcnn.config.schema import Config, Data, Optim, Sharding
from jaxcnn.costs import collectives
from jaxcnn.errors import ConfigError
from jaxcnn.models import create_model
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.train import layout, rehearsal
from jaxcnn.train import state as state_lib

TINY = {"features": (16, 24, 16, 24, 16), "hidden": 64, "num_classes": 10}
ONE = Sharding(data=1, model=1)
SIDE = 64


def setup_of(place, model="alexnet", **fields):
    """The trainer's setup for a small network, four examples a step."""
    config = Config(
        model=model,
        model_args=TINY | fields,
        sharding=place,
        data=Data(batch_size=4),
        optim=Optim(name="momentum", learning_rate=0.01),
    )
    return rehearsal.described_setup(config, SIDE)


def one_step(place, model="alexnet"):
    """A step of the trainer from given parameters.

    Returns (state, sums, the compiled text, the state's abstract form).
    """
    setup = setup_of(place, model)
    _, variables, _ = build(model, (1, SIDE, SIDE, 3), **setup.model_args)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    batch = {"image": images, "label": np.arange(4, dtype=np.int32), "mask": np.ones(4, np.float32)}
    compiled, like = rehearsal.compile_train_step(setup)
    state = state_lib.state_of({"params": variables["params"], "batch_stats": {}}, setup.tx)
    state = jax.tree.map(lambda x, abstract: jax.device_put(x, abstract.sharding), state, like)
    state, sums = compiled(state, {}, (mesh_lib.put_batch(setup.mesh, batch),))
    return jax.device_get(state), jax.device_get(sums), compiled.as_text(), like


def assert_same_step(found, expected):
    """Parameters, gradients (the momentum after one step) and metrics, each to 1e-5 of its size."""
    for got, want in zip(jax.tree.leaves(found[:2]), jax.tree.leaves(expected[:2]), strict=True):
        np.testing.assert_allclose(
            got, want, rtol=1e-5, atol=1e-5 * max(1e-3, float(np.abs(want).max()))
        )


def per_layer(text, kind):
    """Layers, as they are executed, that an exchange of this kind serves in a compiled step."""
    names = r"/(conv\d|norm\d|fc\d|logits)\b"
    return [re.findall(names, found.name) for found in collectives.read(text) if found.kind == kind]


@pytest.fixture(scope="module")
def single():
    return one_step(ONE)


@pytest.fixture(scope="module")
def divided():
    return one_step(Sharding(data=2, model=2))


@pytest.mark.slow
def test_two_towers_take_the_step_of_one_device(divided, single):
    assert_same_step(divided, single)


def test_each_device_holds_half_of_every_layer(divided):
    like = divided[3]
    for tree in (like.params, like.opt_state):
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            if leaf.ndim:
                share = leaf.sharding.shard_shape(leaf.shape)
                assert share == (*leaf.shape[:-1], leaf.shape[-1] // 2), jax.tree_util.keystr(path)


def test_windows_over_the_edge_cost_two_maps_each_way(divided):
    text = divided[2]
    assert (
        per_layer(text, "collective-permute")
        == [["norm1"]] * 2 + [["norm2"]] * 2 + [["norm2"]] * 2 + [["norm1"]] * 2
    )
    forward = [
        found.bytes for found in collectives.read(text) if found.kind == "collective-permute"
    ][:4]
    assert (
        forward == [2 * 15 * 15 * 2 * 4] * 2 + [2 * 7 * 7 * 2 * 4] * 2
    )  # examples a device, map, 2 channels, float32


def test_gradients_meet_over_data_in_one_exchange(divided):
    parameters = sum(x.size * 4 for x in jax.tree.leaves(divided[3].params))
    large = [
        found
        for found in collectives.read(divided[2])
        if found.kind == "all-reduce" and found.bytes > 1000
    ]
    assert len(large) == 1 and abs(large[0].bytes - parameters / 2) < 100


def test_exactly_the_papers_exchanges():
    """Figure 2, responses normalised within a GPU's maps as it was run.

    Exchanges are forward at conv3 and fc6 to fc8, and back from there.
    """
    compiled, like = rehearsal.compile_train_step(setup_of(Sharding(data=1, model=2), lrn_groups=2))
    text = compiled.as_text()
    assert per_layer(text, "all-gather") == [["conv3"], ["fc6"], ["fc7"], ["fc8"], ["logits"]]
    assert per_layer(text, "reduce-scatter") == [["fc8"], ["fc7"], ["fc6"], ["conv3"]]
    rest = [
        found
        for found in collectives.read(text)
        if found.kind not in ("all-gather", "reduce-scatter")
    ]
    leaves = len(jax.tree.leaves(like.params))
    assert {found.kind for found in rest} == {"all-reduce"}
    assert (
        sum(found.bytes for found in rest) <= 4 * 2 * leaves
    )  # the norms of gradients and updates: a number for each array
    sizes = [found.bytes for found in collectives.read(text) if found.kind == "all-gather"]
    assert sizes == [
        4 * 4 * n for n in (3 * 3 * 24, 6 * 6 * 16, 64, 64, 10)
    ]  # examples, float32, what the layer reads


@pytest.mark.parametrize(("classes", "lrn_groups"), [(7, 1), (10, 2)])
def test_logits(classes, lrn_groups):
    """What the towers compute in evaluation, also with classes that do not divide.

    Response normalisation is strong enough to matter.
    """
    arguments = dict(
        features=(16, 24, 16, 24, 16),
        hidden=64,
        num_classes=classes,
        lrn=(1.0, 0.01),
        lrn_groups=lrn_groups,
    )
    model, variables, images = build("alexnet", (4, SIDE, SIDE, 3), **arguments)
    mesh = mesh_lib.make_mesh(Sharding(data=2, model=2), jax.devices()[:4])

    def on_mesh(variables, images):
        with ops.on_mesh(mesh, towers=True):
            return model.apply(variables, images)

    logits = jax.jit(on_mesh)(variables, images)
    assert logits.shape == (4, classes) and logits.sharding.spec == PartitionSpec("data")
    np.testing.assert_allclose(
        logits,
        jax.jit(model.apply)(variables, images),
        rtol=1e-5,
        atol=1e-5 * float(np.abs(logits).max()),
    )


@pytest.mark.slow
def test_slices_of_linear_layers_and_fsdp():
    """Scheme (a) of arXiv:1404.5997 with the state over both axes.

    Rows are together before a layer, features apart after it.
    """
    place = Sharding(data=2, model=2, model_parallel_linear=True, fsdp=True)
    *found, text, like = one_step(place, model="alexnet_owt")
    assert_same_step(found, one_step(ONE, model="alexnet_owt"))
    assert like.params["fc6"]["kernel"].sharding.spec == PartitionSpec("data", "model")
    assert like.params["fc8"]["kernel"].sharding.spec == PartitionSpec(None, "model")
    assert like.params["conv2"][
        "kernel"
    ].sharding.is_fully_replicated  # 9,600 numbers: cheaper to copy than to gather
    assert per_layer(text, "all-to-all") == [["fc6"], ["fc7"], ["fc8"], ["fc8"], ["fc7"], ["fc6"]]
    assert not any(
        layer.startswith("conv")
        for kind in ("all-gather", "collective-permute")
        for row in per_layer(text, kind)
        for layer in row
    )


def test_slices_need_examples_for_the_whole_mesh():
    with pytest.raises(
        ConfigError,
        match=r"data.batch_size 4 does not divide over 8 devices; the nearest that does: 8",
    ):
        setup_of(Sharding(data=2, model=4, model_parallel_linear=True), model="alexnet_owt")


def test_a_mesh_that_does_not_divide_the_towers_has_none():
    mesh = mesh_lib.make_mesh(Sharding(data=2, model=4))
    model, _, _ = build("alexnet", (1, SIDE, SIDE, 3), hidden=8)
    assert not layout.has_towers(mesh, model)
    assert not layout.has_towers(mesh, model.clone(groups=1)) and layout.has_towers(
        mesh, model.clone(groups=8)
    )


def test_devices_that_repeat_the_same_work_are_told_of():
    def said(groups, **place):
        place = Sharding(data=8 // place.get("model", 1), **place)
        return layout.repeated_work(
            mesh_lib.make_mesh(place), place, create_model("alexnet", groups=groups)
        )

    assert (
        said(2)
        == said(2, model=2)
        == said(8, model=4)
        == said(1, model=4, model_parallel_linear=True)
        == ""
    )
    assert "config.sharding.model=4 repeat the same work" in said(
        2, model=4
    ) and "its 2 towers do not divide" in said(2, model=4)
    assert (
        "it has no towers" in said(1, model=2)
        and "set config.sharding.model=1" in said(1, model=2)
        and "\n" not in said(1, model=2)
    )
    place = Sharding(data=4, model=2)
    assert "ResNet has nothing to divide" in layout.repeated_work(
        mesh_lib.make_mesh(place), place, create_model("resnet18")
    )


CASES = {
    "two_each": (16, (3, 3, 2, 24), 8),
    "one_each": (16, (5, 5, 4, 8), 4),
    "depthwise": (8, (3, 3, 1, 16), 8),
    "dense": (8, (3, 3, 8, 12), 1),
}


@pytest.mark.parametrize(("channels", "kernel", "groups"), CASES.values(), ids=CASES)
def test_any_number_of_towers(channels, kernel, groups):
    """Groups that divide over 4 devices: nothing travels but the kernel's gradient over `data`.

    Without groups there are a gathering and its transpose.
    """
    mesh = mesh_lib.make_mesh(Sharding(data=2, model=4))
    rng = np.random.default_rng(0)
    x, k = (
        rng.standard_normal((4, 6, 6, channels), np.float32),
        rng.standard_normal(kernel, np.float32),
    )

    def loss(convolve):
        return lambda x, k: jnp.sum(jnp.sin(convolve(x, k)))

    def plain(x, k):
        return lax.conv_general_dilated(
            x,
            k,
            (1, 1),
            [(1, 1), (1, 1)],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    def towers(x, k):
        with ops.on_mesh(mesh, towers=True):
            return jax.grad(loss(lambda x, k: ops.conv2d(x, k, padding=1, groups=groups)), (0, 1))(
                x, k
            )

    image, parameter = (
        jax.NamedSharding(mesh, PartitionSpec(first, None, None, "model"))
        for first in ("data", None)
    )
    compiled = (
        jax.jit(towers, in_shardings=(image, parameter), out_shardings=(image, parameter))
        .lower(x, k)
        .compile()
    )
    for got, want in zip(compiled(x, k), jax.jit(jax.grad(loss(plain), (0, 1)))(x, k), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * float(np.abs(want).max()))
    exchanges = sorted(found.kind for found in collectives.read(compiled.as_text()))
    assert exchanges == (
        ["all-gather", "all-reduce", "reduce-scatter"] if groups == 1 else ["all-reduce"]
    )


@pytest.mark.parametrize(("size", "groups"), [(5, 1), (4, 1), (5, 4), (5, 8), (9, 2)])
def test_response_normalisation_over_four_towers(size, groups):
    """Windows over the edges of towers, within them, and of two towers, against the written sum."""
    mesh = mesh_lib.make_mesh(Sharding(data=2, model=4))
    x = np.random.default_rng(0).standard_normal((2, 3, 3, 16), np.float32)

    def numbers(x):
        y, vjp = jax.vjp(
            lambda x: ops.local_response_norm(x, size=size, alpha=0.5, k=1.0, groups=groups), x
        )
        return y, vjp(jnp.cos(y))[0]

    def on_mesh(x):
        with ops.on_mesh(mesh, towers=True):
            return numbers(x)

    expected = np.empty_like(x)
    for c in range(16):
        first = c // (16 // groups) * (16 // groups)
        near = x[..., max(first, c - size // 2) : min(first + 16 // groups, c - size // 2 + size)]
        expected[..., c] = x[..., c] / (1 + 0.5 * (near**2).sum(-1)) ** 0.75
    (plain, slope), (divided, divided_slope) = jax.jit(numbers)(x), jax.jit(on_mesh)(x)
    np.testing.assert_allclose(plain, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(divided, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(divided_slope, slope, rtol=1e-5, atol=1e-6)


def test_groups_of_response_normalisation_must_divide():
    with pytest.raises(ValueError, match="10 channels do not divide into 4 groups"):
        ops.local_response_norm(jnp.zeros((1, 10)), groups=4)
