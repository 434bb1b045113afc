"""ResNet: shortcuts, strides and starts of the paper; counts by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from variables import random_variables

from jaxcnn.layers import Conv
from jaxcnn.models import create_model
from jaxcnn.models.resnet import VARIANTS, Shortcut

# A small net with every kind of block: identity, downsampling, widening.
TINY = dict(stages=(2, 1), width=8, num_classes=5)


def size(name, **fields):
    model = create_model(name, **fields)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def apply(model, variables, x, **options):
    """`model.apply` in one compilation rather than one an operation."""
    return jax.jit(partial(model.apply, **options))(variables, x)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def tiny():
    """A tiny bottleneck net and its variables, running statistics far from their start."""
    model = create_model("resnet50", **TINY)
    return model, random_variables(model, jnp.zeros((1, 32, 32, 3)), stats=0.3)


def test_shortcut_a_takes_every_other_pixel_and_pads_channels_at_the_end():
    x = pixels(2, 7, 6, 3)
    y, variables = Shortcut(5, 2, "A", None, None).init_with_output(jax.random.key(0), x, False)
    assert variables == {}
    np.testing.assert_array_equal(
        y, np.concatenate([x[:, ::2, ::2], np.zeros((2, 4, 3, 2), np.float32)], axis=-1)
    )


def test_shortcut_options_differ_by_their_projections():
    """Option B of resnet34 has three projections, 64->128, 128->256, 256->512; C has 13 more."""
    changed = sum(c * 2 * c + 2 * 2 * c for c in (64, 128, 256))
    kept = sum(n * (c * c + 2 * c) for n, c in ((3, 64), (3, 128), (5, 256), (2, 512)))
    plain = size("plain34")
    assert size("resnet34", shortcut="A") == plain
    assert size("resnet34", shortcut="B") == plain + changed
    assert size("resnet34", shortcut="C") == plain + changed + kept
    assert size("resnet34", shortcut_norm=False) == plain + sum(c * 2 * c for c in (64, 128, 256))
    assert size("resnet20", shortcut="B") == size("resnet20") + 2_752


def test_options_by_name():
    """Table 2 is of option A, table 3 of A, B and C; figure 6's plain nets have no shortcuts."""
    options = {name: create_model(name).shortcut for name in VARIANTS}
    assert options["resnet18_a"] == options["resnet34_a"] == options["resnet1202"] == "A"
    assert options["resnet34"] == options["resnet34_b"] == "B" and options["resnet34_c"] == "C"
    for depth in (20, 32, 44, 56, 110):
        plain, residual = (create_model(f"{kind}{depth}") for kind in ("plain", "resnet"))
        assert 6 * plain.stages[0] + 2 == depth and plain.clone(shortcut="A") == residual


def test_a_projection_without_batch_norm():
    x = pixels(2, 6, 4, 3)
    conv = partial(Conv, use_bias=True)
    layer = Shortcut(5, 2, "B", conv, None)
    y, variables = layer.init_with_output(jax.random.key(0), x, False)
    kernel = np.asarray(variables["params"]["conv"]["kernel"])[0, 0]
    assert set(variables["params"]) == {"conv"}
    np.testing.assert_allclose(y, x[:, ::2, ::2] @ kernel, rtol=1e-4, atol=1e-5)


def test_cifar_nets_grow_by_the_same_block():
    """6n + 2 layers: each n adds a block of two 3x3 convolutions a stage, up to 1202 layers.

    Table 6 has 19.4M parameters for those.
    """
    block = sum(2 * (9 * c * c + 2 * c) for c in (16, 32, 64))
    assert size("resnet32") - size("resnet20") == 2 * block
    assert size("resnet20") + 197 * block == 19_421_274


@pytest.mark.parametrize(("name", "side"), [("resnet50", 16), ("resnet50_v1", 8)])
def test_where_a_bottleneck_has_its_stride(name, side):
    model = create_model(name, stages=(1, 1), width=4)
    _, state = jax.eval_shape(
        lambda x: model.init_with_output(
            jax.random.key(0), x, capture_intermediates=True, mutable=True
        ),
        jnp.zeros((1, 64, 64, 3)),
    )
    block = state["intermediates"]["stage2"]["block1"]
    assert block["conv1"]["__call__"][0].shape == (1, side, side, 8)
    assert block["conv2"]["__call__"][0].shape == (1, 8, 8, 8)


@pytest.mark.parametrize(
    ("name", "last"), [("resnet18", "bn2"), ("resnet50", "bn3"), ("plain18", "bn2")]
)
def test_zero_init_residual_starts_every_block_as_its_shortcut(name, last):
    """A plain block, which has none, then starts at zero."""
    model = create_model(name, stages=(2,), width=8, num_classes=5, zero_init_residual=True)
    x = pixels(2, 32, 32, 3)
    _, state = jax.jit(partial(model.init_with_output, capture_intermediates=True, mutable=True))(
        jax.random.key(0), x
    )
    for path, scale in flatten_dict(state["params"]).items():
        assert path[-1] != "scale" or np.all(
            np.asarray(scale) == (0.0 if path[-2] == last else 1.0)
        ), path
    blocks = state["intermediates"]["stage1"]
    first, second = (np.asarray(blocks[block]["__call__"][0]) for block in ("block1", "block2"))
    np.testing.assert_array_equal(second, first)
    assert np.any(first) == (name != "plain18")
    assert ("shortcut" in state["params"]["stage1"]["block1"]) == (name == "resnet50")


def test_unknown_shortcut_says_what_there_is():
    with pytest.raises(ValueError, match=r"shortcut is 'D'; expected 'A', 'B' or 'C'"):
        create_model("resnet18", shortcut="D").init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_start_of_training():
    """Kernels have He's variance over the fan-out; the last layer is small: loss near ln K."""
    model = create_model("resnet18", stages=(1,), num_classes=100)
    x = pixels(8, 64, 64, 3)
    logits, variables = jax.jit(partial(model.init_with_output, train=True))(jax.random.key(0), x)
    params = variables["params"]
    assert np.std(params["conv1"]["kernel"]) == pytest.approx((2 / (49 * 64)) ** 0.5, rel=0.05)
    assert np.std(params["stage1"]["block1"]["conv2"]["kernel"]) == pytest.approx(
        (2 / (9 * 64)) ** 0.5, rel=0.05
    )
    assert np.abs(params["fc"]["kernel"]).max() == pytest.approx(1 / 8, rel=0.02) and not np.any(
        params["fc"]["bias"]
    )
    assert -np.mean(jax.nn.log_softmax(logits)[:, 0]) == pytest.approx(np.log(100), abs=0.7)


def test_class_map_averages_to_the_logits(tiny):
    model, variables = tiny
    x = pixels(2, 40, 48, 3)
    class_map = apply(model.clone(class_map=True), variables, x)
    assert class_map.shape == (
        2,
        5,
        6,
        5,
    )  # 40 x 48 halved three times: the stem, the pool, stage 2
    np.testing.assert_allclose(
        class_map.mean((1, 2)), apply(model, variables, x), rtol=1e-4, atol=1e-5
    )


def test_bfloat16_stays_near_float32(tiny):
    model, variables = tiny
    x = pixels(2, 32, 32, 3)
    exact, rough = apply(model, variables, x), apply(model.clone(dtype=jnp.bfloat16), variables, x)
    assert rough.dtype == jnp.float32
    np.testing.assert_allclose(rough, exact, atol=0.05 * np.abs(exact).max())


def test_batch_norm_groups_are_independent(tiny):
    """A batch of four in groups of two gives what two batches of two give."""
    model, variables = tiny
    x = pixels(4, 32, 32, 3)
    grouped, _ = apply(
        model.clone(bn_group_size=2), variables, x, train=True, mutable=["batch_stats"]
    )
    halves = [
        apply(model, variables, half, train=True, mutable=["batch_stats"])[0]
        for half in (x[:2], x[2:])
    ]
    np.testing.assert_allclose(grouped, np.concatenate(halves), rtol=1e-4, atol=1e-4)
