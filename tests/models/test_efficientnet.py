"""EfficientNet: scaling rule, inverted bottlenecks, stochastic depth, padding.

Totals of all variants are in test_registry.py.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from jax import lax
from variables import random_variables

from jaxcnn.costs.summary import summarize
from jaxcnn.layers import BatchNorm, Conv, StochasticDepth
from jaxcnn.models import create_model
from jaxcnn.models.efficientnet import (
    B0,
    VARIANTS,
    ConvNorm,
    MBConv,
    compound,
    fc_init,
    round_filters,
    round_repeats,
    scaled_repeats,
)

TINY = dict(width=0.25, depth=0.1, num_classes=5)  # one block a stage
LAYER = partial(ConvNorm, conv=partial(Conv, use_bias=False), norm=BatchNorm)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("efficientnet_b0", (1, 2, 2, 3, 3, 4, 1)),
        ("efficientnet_b1", (2, 3, 3, 4, 4, 5, 2)),
        ("efficientnet_b2", (2, 3, 3, 4, 4, 5, 2)),
        ("efficientnet_b3", (2, 3, 3, 5, 5, 6, 2)),
        ("efficientnet_b4", (2, 4, 4, 6, 6, 8, 2)),
        ("efficientnet_b5", (3, 5, 5, 7, 7, 9, 3)),
        ("efficientnet_b6", (3, 6, 6, 8, 8, 11, 3)),
        ("efficientnet_b7", (4, 7, 7, 10, 10, 13, 4)),
    ],
)
def test_repeats(name, repeats):
    assert tuple(round_repeats(row[-1], VARIANTS[name]["depth"]) for row in B0) == repeats


def test_round_filters():
    scaled = {16: 16, 24: 24, 40: 48, 80: 88, 112: 120, 192: 208, 320: 352, 1280: 1408}
    assert {channels: round_filters(channels, 1.1) for channels in scaled} == scaled
    assert round_filters(16, 0.1) == 8  # never fewer than 8
    assert round_filters(67, 1.0) == 64
    assert round_filters(11, 1.0) == 16  # 8 would lose more than a tenth
    for channels in range(1, 400):
        rounded = round_filters(channels, 1.0)
        assert rounded % 8 == 0 and rounded >= 0.9 * channels


def test_compound_scaling_doubles_the_cost_with_each_phi():
    """Section 3.3: multiply-adds grow by (alpha beta^2 gamma^2)^phi = 1.92^phi and by rounding."""
    assert compound(0) == dict(width=1.0, depth=1.0, input_shape=(224, 224, 3))
    assert compound(1) == dict(width=1.1, depth=1.2, input_shape=(258, 258, 3))
    base, scaled = summarize("efficientnet_b0"), summarize("efficientnet_b0", **compound(3))
    assert 1.0 < scaled.macs / base.macs / 1.92**3 < 1.25


def test_the_gate_squeezes_to_a_quarter_of_the_blocks_input():
    model = create_model("efficientnet_b0")
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    assert params["stage2"]["block1"]["se"]["reduce"]["kernel"].shape == (1, 1, 32, 8)
    assert params["stage3"]["block1"]["se"]["reduce"]["kernel"].shape == (1, 1, 96, 4)
    assert params["stage3"]["block1"]["depthwise"]["conv"]["kernel"].shape == (3, 3, 1, 96)
    assert "expand" not in params["stage2"]["block1"]


def test_stochastic_depth_grows_linearly_over_the_blocks():
    """Block i of 16 drops with 0.2 i / 16, where there is a residual to drop.

    There is none in the first block of a stage.
    """
    rates = []

    def watch(call, args, kwargs, context):
        if isinstance(context.module, StochasticDepth):
            rates.append(context.module.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        jax.eval_shape(
            create_model("efficientnet_b0").init, jax.random.key(0), jnp.zeros((1, 32, 32, 3))
        )
    firsts = (0, 1, 3, 5, 8, 11, 15)
    np.testing.assert_allclose(rates, [0.2 * i / 16 for i in range(16) if i not in firsts])


@pytest.mark.parametrize(
    ("features", "stride", "skips"), [(8, 1, True), (8, 2, False), (16, 1, False)]
)
def test_a_block_adds_its_input_where_it_fits(features, stride, skips):
    """With the last BatchNorm at zero a block gives its input, or zeros without a shortcut."""
    block = MBConv(features, 3, stride, 6, 0.0, LAYER)
    x = pixels(2, 6, 6, 8)
    variables = jax.jit(block.init, static_argnums=2)(jax.random.key(0), x, False)
    variables["params"]["project"]["bn"]["scale"] = jnp.zeros(features)
    y = jax.jit(block.apply, static_argnums=2)(variables, x, False)
    np.testing.assert_array_equal(
        y, x if skips else np.zeros((2, 6 // stride, 6 // stride, features), np.float32)
    )


def test_a_block_by_hand():
    """A block in NumPy, with statistics at their start."""
    x = pixels(1, 4, 5, 3)
    block = MBConv(3, 3, 1, 2, 0.0, LAYER)
    variables = jax.jit(block.init, static_argnums=2)(jax.random.key(3), x, False)
    p = jax.tree.map(np.asarray, variables["params"])
    norm = (1 + 1e-5) ** -0.5
    swish = lambda a: a / (1 + np.exp(-a))  # noqa: E731
    y = swish(x @ p["expand"]["conv"]["kernel"][0, 0] * norm)  # [1, 4, 5, 6]
    padded = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = p["depthwise"]["conv"]["kernel"][:, :, 0]  # [3, 3, 6]
    y = swish(
        norm
        * sum(padded[:, i : i + 4, j : j + 5] * kernel[i, j] for i in range(3) for j in range(3))
    )
    squeezed = swish(y.mean((1, 2)) @ p["se"]["reduce"]["kernel"][0, 0])
    y = y / (1 + np.exp(-squeezed @ p["se"]["expand"]["kernel"][0, 0]))[:, None, None]
    expected = x + norm * (y @ p["project"]["conv"]["kernel"][0, 0])
    np.testing.assert_allclose(
        jax.jit(block.apply, static_argnums=2)(variables, x, False), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("same", "side", "pads"), [(False, 8, (1, 1)), (True, 8, (0, 1)), (True, 9, (1, 1))]
)
def test_padding_is_torch_s_or_tensorflow_s(same, side, pads):
    """Dense and depthwise layers are padded alike; every layer of the network has the field."""
    for features, groups in ((4, 1), (3, 3)):
        layer = LAYER(features, 3, stride=2, groups=groups, linear=True, same_padding=same)
        x = pixels(1, side, side, 3)
        y, variables = jax.jit(layer.init_with_output, static_argnums=2)(
            jax.random.key(0), x, False
        )
        conv = partial(
            lax.conv_general_dilated,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        expected = (
            conv(x, variables["params"]["conv"]["kernel"], (2, 2), (pads, pads))
            * (1 + 1e-5) ** -0.5
        )
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    given = []

    def watch(call, args, kwargs, context):
        if isinstance(context.module, ConvNorm):
            given.append(context.module.same_padding)
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        jax.eval_shape(
            create_model("efficientnet_b0", **TINY, same_padding=same).init,
            jax.random.key(0),
            jnp.zeros((1, 8, 8, 3)),
        )
    assert len(given) == 22 and set(given) == {same}


def test_batch_norm_of_the_shipped_rows():
    fields = {
        name: (create_model(name).bn_epsilon, create_model(name).bn_momentum) for name in VARIANTS
    }
    assert {fields[f"efficientnet_b{i}"] for i in range(5)} == {(1e-5, 0.9)}
    assert {fields[f"efficientnet_b{i}"] for i in range(5, 8)} == {(1e-3, 0.99)}
    assert {fields[f"efficientnet_lite{i}"] for i in range(5)} == {(1e-3, 0.99)}


def test_lite_scales_neither_ends_nor_gates():
    assert scaled_repeats(B0, 1.8, fixed_ends=True) == [1, 4, 4, 6, 6, 8, 1]
    assert scaled_repeats(B0, 1.8, fixed_ends=False) == [2, 4, 4, 6, 6, 8, 2]
    model = create_model("efficientnet_lite4")
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    assert params["stage1"]["conv"]["kernel"].shape[-1] == 32
    assert params["fc"]["kernel"].shape[0] == 1280
    assert not any("/se/" in "/".join(path) for path in flatten_dict(params))


def test_lite_is_bounded_by_six():
    layer = LAYER(4, 1, activation=VARIANTS["efficientnet_lite0"]["activation"])
    x = 100 * pixels(2, 3, 3, 5)
    y, _ = layer.init_with_output(jax.random.key(0), x, False)
    assert float(y.min()) == 0 and float(y.max()) == 6


def test_start_of_training():
    layer = partial(LAYER, 240, 5)
    init = jax.jit(
        lambda x: (
            layer().init(jax.random.key(0), x, False),
            layer(groups=240).init(jax.random.key(0), x, False),
        )
    )
    dense, depthwise = (
        np.std(v["params"]["conv"]["kernel"]) for v in init(jnp.zeros((1, 4, 4, 240)))
    )
    assert dense == pytest.approx((2 / (25 * 240)) ** 0.5, rel=0.05)
    assert depthwise == pytest.approx((2 / 25) ** 0.5, rel=0.05)  # fan-out k * k
    assert np.abs(fc_init(jax.random.key(0), (1280, 100))).max() == pytest.approx(0.1, rel=0.02)


def test_training_is_random_and_evaluation_is_not():
    """Two blocks in stages 5, 6 and 7; half of an image's residuals dropped at the end."""
    model = create_model(
        "efficientnet_b0", **TINY | dict(depth=0.5), dropout_rate=0.0, stochastic_depth_rate=0.5
    )
    x = pixels(4, 16, 16, 3)
    variables = random_variables(model, x)
    key = jax.random.key
    step = jax.jit(
        lambda key: model.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key}
        )[0]
    )
    outputs = [np.asarray(step(key(seed))) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.any(outputs[0] != outputs[2])
    jax.eval_shape(model.apply, variables, x)  # evaluation asks for no random numbers


def test_class_map_averages_to_the_logits():
    model = create_model("efficientnet_b0", **TINY)
    x = pixels(2, 64, 96, 3)
    variables = random_variables(model, x, stats=0.3)
    class_map, logits = jax.jit(
        lambda v: (model.clone(class_map=True).apply(v, x), model.apply(v, x))
    )(variables)
    assert class_map.shape == (2, 2, 3, 5)
    np.testing.assert_allclose(class_map.mean((1, 2)), logits, rtol=1e-4, atol=1e-5)
