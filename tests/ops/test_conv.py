"""Every lowering of a convolution equals XLA's own, forward and in both gradients.

A sharded batch stays on its devices.
"""

import re

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn import ops
from jaxcnn.ops.conv import choose
from jaxcnn.ops.geometry import Geometry
from jaxcnn.ops.lowerings import LOWERINGS
from jaxcnn.ops.target import ANY, Target

SETTINGS = dict(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


def numbers(seed: int, *shape: int, dtype=jnp.float32) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def reference(x, kernel, strides, pads, groups):
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def with_gradients(function, x, kernel):
    """(y, dx, dkernel) for a cotangent that is a fixed function of the place."""

    @jax.jit
    def run(x, kernel):
        y, vjp = jax.vjp(function, x, kernel)
        cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(y.dtype)
        return y, *vjp(cotangent)

    return run(x, kernel)


def assert_equals_reference(x, kernel, strides, pads, groups, lowering):
    found = with_gradients(
        lambda x, k: ops.conv2d(
            x, k, stride=strides, padding=pads, groups=groups, lowering=lowering
        ),
        x,
        kernel,
    )
    exact = with_gradients(
        lambda x, k: reference(x, k, strides, pads, groups),
        x.astype(jnp.float32),
        kernel.astype(jnp.float32),
    )
    tolerance = 2e-5 if x.dtype == jnp.float32 else 3e-2
    for a, b in zip(found, exact, strict=True):
        assert (a.shape, a.dtype) == (b.shape, x.dtype)
        scale = float(jnp.max(jnp.abs(b))) + 1e-3
        np.testing.assert_allclose(
            a.astype(jnp.float32) / scale, b / scale, atol=tolerance, err_msg=lowering
        )


sides = st.tuples(st.integers(0, 3), st.integers(0, 3))


@st.composite
def convolutions(draw, lowering: str):
    """(x, kernel, strides, pads, groups) that `lowering` can compute."""
    kernel = {"winograd": (3, 3), "matmul": (1, 1)}.get(lowering) or draw(
        st.tuples(st.integers(1, 5), st.integers(1, 5))
    )
    strides = (
        (1, 1) if lowering == "winograd" else draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    )
    pads = draw(st.tuples(sides, sides))
    size = [draw(st.integers(max(1, k - sum(p)), 9)) for k, p in zip(kernel, pads, strict=True)]
    groups, per_group, per_output = 1, draw(st.integers(1, 4)), draw(st.integers(1, 4))
    if lowering in ("split", "shifted"):
        groups, per_group = draw(st.integers(2, 4)), 1 if lowering == "shifted" else per_group
    dtype = (
        jnp.float32
        if lowering == "winograd"
        else draw(st.sampled_from([jnp.float32, jnp.bfloat16]))
    )
    x = numbers(0, draw(st.integers(1, 3)), *size, groups * per_group, dtype=dtype)
    return (
        x,
        numbers(1, *kernel, per_group, groups * per_output, dtype=dtype),
        strides,
        pads,
        groups,
    )


@pytest.mark.parametrize("lowering", [name for name in LOWERINGS if name != "direct"])
def test_lowering_equals_xla(lowering):
    @hypothesis.settings(max_examples=5, **SETTINGS)
    @hypothesis.given(convolutions(lowering))
    def check(convolution):
        assert_equals_reference(*convolution, lowering)

    check()


# fmt: off
AWKWARD = [
    # Inception's flat kernels.
    ((2, 9, 6, 4), (1, 7, 4, 5), (1, 1), ((0, 0), (3, 3)), 1, "auto"),
    ((2, 6, 9, 4), (7, 1, 4, 5), (1, 1), ((3, 3), (0, 0)), 1, "blocked"),
    # AlexNet's first layer.
    ((1, 23, 23, 3), (11, 11, 3, 8), (4, 4), ((2, 2), (2, 2)), 1, "space_to_depth"),
    # Padded by more than the kernel covers.
    ((2, 5, 5, 4), (3, 3, 4, 5), (1, 1), ((4, 5), (3, 0)), 1, "winograd"),
    # An even kernel, and a stride larger than the kernel.
    ((2, 7, 9, 3), (2, 2, 3, 4), (3, 3), ((0, 1), (1, 0)), 1, "space_to_depth"),
    # Two kernels a channel.
    ((2, 7, 9, 3), (2, 2, 1, 6), (3, 3), ((0, 1), (1, 0)), 3, "shifted"),
    # A ResNet's strided projection.
    ((2, 8, 8, 8), (1, 1, 8, 4), (2, 2), ((0, 0), (0, 0)), 1, "auto"),
    ((1, 7, 8, 129), (3, 3, 129, 128), (1, 1), ((0, 1), (3, 1)), 1, "winograd"),
    # So many channels that the kernel's gradient is Winograd's sums.
    ((1, 8, 8, 130), (3, 3, 130, 129), (1, 1), ((1, 1), (1, 1)), 1, "blocked"),
]
# fmt: on


@pytest.mark.parametrize(("x", "kernel", "strides", "pads", "groups", "lowering"), AWKWARD)
def test_awkward_geometries(x, kernel, strides, pads, groups, lowering):
    assert_equals_reference(numbers(0, *x), numbers(1, *kernel), strides, pads, groups, lowering)


def test_large_maps_sum_their_weight_gradient_over_pieces():
    """Two examples of 130 x 130 are over four pieces; a piece's 53 rows do not divide 130."""
    assert_equals_reference(
        numbers(0, 2, 131, 130, 2), numbers(1, 2, 3, 2, 3), (1, 1), ((0, 0), (1, 1)), 1, "blocked"
    )


@pytest.mark.parametrize("padding", [1, (1, 1), ((1, 1), (1, 1)), "SAME"])
def test_ways_to_say_padding(padding):
    x, kernel = numbers(0, 1, 6, 6, 2), numbers(1, 3, 3, 2, 3)
    found = ops.conv2d(x, kernel, padding=padding)
    np.testing.assert_allclose(
        found, reference(x, kernel, (1, 1), ((1, 1), (1, 1)), 1), rtol=1e-4, atol=1e-5
    )


def test_same_padding_is_tensorflows():
    x, kernel = numbers(0, 1, 6, 6, 2), numbers(1, 3, 3, 2, 3)
    np.testing.assert_allclose(
        ops.conv2d(x, kernel, stride=2, padding="SAME"),
        reference(x, kernel, (2, 2), ((0, 1), (0, 1)), 1),
        rtol=1e-4,
        atol=1e-5,
    )


def test_unusable_lowerings_name_the_usable_ones():
    x, kernel = jnp.zeros((1, 5, 5, 4)), jnp.zeros((3, 3, 4, 4))
    with pytest.raises(
        ValueError,
        match=r"takes a 1x1 kernel, not 3x3; use auto, direct, blocked, winograd, space_to_depth$",
    ):
        ops.conv2d(x, kernel, lowering="matmul")
    with pytest.raises(
        ValueError,
        match="'winograd' cannot compute this convolution: it takes a 3x3 kernel at stride 1, "
        "not 3x3 at 2x2",
    ):
        ops.conv2d(x, kernel, stride=2, lowering="winograd")
    with pytest.raises(
        ValueError,
        match=r"it takes one group a channel, not 2 for 4 channels; use auto, direct, split$",
    ):
        ops.conv2d(x, kernel[:, :, :2], groups=2, lowering="shifted")
    with pytest.raises(
        ValueError, match="there is no lowering 'fft' of a convolution; there are auto, direct"
    ):
        ops.conv2d(x, kernel, lowering="fft")


def geometry(x, kernel, strides=(1, 1), pads=((1, 1), (1, 1)), groups=1, dtype=jnp.float32):
    return Geometry(x, kernel, strides, pads, groups, jnp.dtype(dtype))


def test_choices():
    block = geometry((8, 14, 14, 256), (3, 3, 256, 256))
    one, eight, gpu = Target("cpu"), Target("cpu", 8), Target("gpu")
    assert choose(block, one) == "winograd"
    assert choose(block._replace(dtype=jnp.dtype(jnp.bfloat16)), one) == "blocked"
    assert choose(block, eight) == choose(block, gpu) == "direct"
    assert choose(geometry((8, 14, 14, 256), (1, 1, 256, 64)), eight) == "matmul"
    depthwise = geometry((8, 14, 14, 96), (3, 3, 1, 96), groups=96)
    assert (choose(depthwise, eight), choose(depthwise, Target("tpu", 8))) == ("shifted", "direct")
    grouped = geometry((8, 27, 27, 96), (5, 5, 48, 256), groups=2)
    assert (choose(grouped, Target("gpu", 8)), choose(grouped, Target(ANY))) == ("split", "direct")
    stem = geometry((8, 224, 224, 3), (7, 7, 3, 64), (2, 2))
    assert (choose(stem, gpu), choose(stem, Target("tpu", 8))) == ("space_to_depth", "direct")


@pytest.mark.parametrize(
    ("channels", "kernel", "groups", "stride"),
    [
        (8, (3, 3, 4, 6), 2, 1),
        (6, (3, 3, 1, 6), 6, 2),
        (8, (1, 1, 8, 4), 1, 2),
        (4, (3, 3, 4, 8), 1, 1),
    ],
    ids=["grouped", "depthwise", "1x1", "3x3"],
)
def test_a_sharded_batch_is_never_gathered(channels, kernel, groups, stride):
    """With a batch over 8 devices nothing is exchanged but the kernel's gradient, once."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    x = jax.ShapeDtypeStruct((16, 8, 8, channels), jnp.float32, sharding=split)
    k = jax.ShapeDtypeStruct(kernel, jnp.float32, sharding=whole)

    def forward(x, k):
        with ops.on_mesh(mesh):
            return ops.conv2d(x, k, stride=stride, padding=kernel[0] // 2, groups=groups)

    def gradients(x, k):
        return jax.grad(lambda x, k: jnp.sum(forward(x, k) ** 2), (0, 1))(x, k)

    assert collectives(jax.jit(forward, out_shardings=split), x, k) == {}
    found = collectives(jax.jit(gradients, out_shardings=(split, whole)), x, k)
    assert set(found) == {"all-reduce"}
    assert found["all-reduce"] <= 2


def collectives(function, *inputs) -> dict[str, int]:
    """{kind: count} in the compiled program."""
    kinds = r"\b(all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)(?:-start)?\("
    found = re.findall(kinds, function.lower(*inputs).compile().as_text())
    return {kind: found.count(kind) for kind in set(found)}
