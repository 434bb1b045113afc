"""Pooling against hand-computed maps, a NumPy loop and PyTorch.

Output sizes, padding, the overhang of `ceil`, adaptive bins and gradients are compared.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn import ops
from jaxcnn.ops import pool

RAMP = np.arange(1.0, 17.0, dtype=np.float32).reshape(1, 4, 4, 1)  # 1..16 by rows


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_max_pool_by_hand():
    np.testing.assert_array_equal(ops.max_pool(RAMP, 2, 2)[0, :, :, 0], [[6, 8], [14, 16]])
    np.testing.assert_array_equal(ops.max_pool(RAMP, 3, 2)[0, :, :, 0], [[11]])
    np.testing.assert_array_equal(
        ops.max_pool(RAMP, 3, 2, ceil=True)[0, :, :, 0], [[11, 12], [15, 16]]
    )
    np.testing.assert_array_equal(
        ops.max_pool(RAMP, 3, 2, padding=1)[0, :, :, 0], [[6, 8], [14, 16]]
    )
    # Padding never wins.
    np.testing.assert_array_equal(
        ops.max_pool(-RAMP, 3, 2, padding=1)[0, :, :, 0], [[-1, -2], [-5, -6]]
    )
    np.testing.assert_array_equal(
        ops.max_pool(RAMP, (1, 2), (2, 1))[0, :, :, 0], [[2, 3, 4], [10, 11, 12]]
    )
    np.testing.assert_array_equal(
        ops.max_pool(RAMP, 3, 2, padding="SAME")[0, :, :, 0], [[11, 12], [15, 16]]
    )


def test_max_pool_of_integers():
    pooled = ops.max_pool(jnp.asarray(-RAMP, jnp.int32), 3, 2, padding=1)
    assert pooled.dtype == jnp.int32
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[-1, -2], [-5, -6]])


def test_average_pool_by_hand():
    np.testing.assert_allclose(ops.avg_pool(RAMP, 2, 2)[0, :, :, 0], [[3.5, 5.5], [11.5, 13.5]])
    padded = ops.avg_pool(RAMP, 2, 2, padding=1)[0, :, :, 0]
    np.testing.assert_allclose(padded, [[0.25, 1.25, 1.0], [3.5, 8.5, 5.0], [3.25, 7.25, 4.0]])
    uncounted = ops.avg_pool(RAMP, 2, 2, padding=1, count_padding=False)[0, :, :, 0]
    np.testing.assert_allclose(uncounted, [[1, 2.5, 4], [7, 8.5, 10], [13, 14.5, 16]])
    # The overhang of a ceil window is never counted: the right column averages 3 x 2 pixels and the
    # corner 2 x 2.
    ceil = ops.avg_pool(RAMP, 3, 2, ceil=True)[0, :, :, 0]
    np.testing.assert_allclose(ceil, [[6, 7.5], [12, 13.5]])


@pytest.mark.parametrize(
    ("size", "window", "stride", "padding", "floor", "ceil"),
    [
        (112, 3, 2, 0, 55, 56),
        (14, 3, 2, 1, 7, 8),
        (13, 3, 2, 0, 6, 6),
        (55, 3, 2, 0, 27, 27),
        (5, 2, 2, 1, 3, 3),
        (6, 2, 3, 0, 2, 2),
    ],
)
def test_output_sizes(size, window, stride, padding, floor, ceil):
    x = jnp.zeros((1, size, size, 1))
    for expected, rounded_up in ((floor, False), (ceil, True)):
        assert ops.max_pool(x, window, stride, padding=padding, ceil=rounded_up).shape == (
            1,
            expected,
            expected,
            1,
        )
        assert ops.avg_pool(x, window, stride, padding=padding, ceil=rounded_up).shape == (
            1,
            expected,
            expected,
            1,
        )


def test_a_window_larger_than_the_map_is_an_error():
    with pytest.raises(ValueError, match="window of 5 does not fit a map of 3"):
        ops.max_pool(jnp.zeros((1, 3, 3, 1)), 5, 1)


def pool_by_loops(
    x: np.ndarray, window: int, stride: int, padding: int, rows: int, columns: int
) -> np.ndarray:
    """Maxima of every window of `x`, the slow way.

    Windows that reach beyond the map see only what is there.
    """
    b, h, w, c = x.shape
    y = np.empty((b, rows, columns, c), x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride - padding, j * stride - padding
            part = x[:, max(top, 0) : min(top + window, h), max(left, 0) : min(left + window, w)]
            y[:, i, j] = part.max(axis=(1, 2))
    return y


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [(3, 2, 0), (3, 2, 1), (2, 2, 0), (3, 1, 1), (2, 3, 1), (5, 3, 2)],
)
def test_max_pool_and_its_gradient_against_loops(window, stride, padding, ceil):
    x = images(2, 10, 11, 5)
    y = ops.max_pool(x, window, stride, padding=padding, ceil=ceil)
    np.testing.assert_array_equal(y, pool_by_loops(x, window, stride, padding, *y.shape[1:3]))
    cotangent = images(*y.shape, seed=1)
    gradient = jax.grad(
        lambda v: jnp.sum(ops.max_pool(v, window, stride, padding=padding, ceil=ceil) * cotangent)
    )(jnp.asarray(x))
    expected = np.zeros_like(x)
    # Without ties each window sends its cotangent to its one maximum.
    for (b, i, j, c), g in np.ndenumerate(cotangent):
        expected[b, :, :, c][x[b, :, :, c] == y[b, i, j, c]] += g
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [(3, 2, 0), (3, 2, 1), (2, 2, 1), (3, 1, 1), (5, 3, 0), ((2, 3), (1, 2), (1, 0))],
)
def test_pools_and_gradients_match_torch(window, stride, padding, ceil):
    torch = pytest.importorskip("torch")
    x = images(2, 10, 13, 4)

    def through_torch(function):
        t = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
        y = function(t)
        y.square().sum().backward()
        return y.detach().numpy().transpose(0, 2, 3, 1), t.grad.numpy().transpose(0, 2, 3, 1)

    def through_jax(function):
        y, vjp = jax.vjp(function, jnp.asarray(x))
        return y, vjp(2 * y)[0]

    functional = torch.nn.functional
    pairs = [
        (
            lambda v: ops.max_pool(v, window, stride, padding=padding, ceil=ceil),
            lambda t: functional.max_pool2d(t, window, stride, padding, ceil_mode=ceil),
        )
    ]
    for counted in (True, False):
        pairs.append(
            (
                lambda v, counted=counted: ops.avg_pool(
                    v, window, stride, padding=padding, ceil=ceil, count_padding=counted
                ),
                lambda t, counted=counted: functional.avg_pool2d(
                    t, window, stride, padding, ceil, counted
                ),
            )
        )
    for ours, theirs in pairs:
        for found, expected in zip(through_jax(ours), through_torch(theirs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("window", "stride", "padding"),
    [(3, 2, 0), (3, 2, 1), (2, 2, 1), (3, 1, 1), (5, 3, 2), ((2, 3), (1, 2), (1, 0))],
)
def test_max_pool_of_what_is_not_finite_is_torchs(window, stride, padding, ceil):
    """NaN, also several in a window, and windows of nothing but -inf, also at padding."""
    torch = pytest.importorskip("torch")
    x = np.round(2 * images(4, 9, 10, 3))
    rng = np.random.default_rng(1)
    x[0][rng.random(x[0].shape) < 0.2] = np.nan
    x[1][rng.random(x[1].shape) < 0.9] = -np.inf
    x[2] = -np.inf
    x[3][rng.random(x[3].shape) < 0.2] = np.inf
    t = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    expected = torch.nn.functional.max_pool2d(t, window, stride, padding, ceil_mode=ceil)
    cotangent = images(*expected.permute(0, 2, 3, 1).shape, seed=3)
    expected.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))
    y, vjp = jax.vjp(lambda x: ops.max_pool(x, window, stride, padding=padding, ceil=ceil), x)
    np.testing.assert_array_equal(y, expected.detach().numpy().transpose(0, 2, 3, 1))
    np.testing.assert_allclose(
        vjp(jnp.asarray(cotangent))[0], t.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-6
    )


def test_max_pool_gradient_goes_to_the_first_of_equal_pixels():
    gradient = jax.grad(lambda v: jnp.sum(ops.max_pool(v, 3, 2)))(jnp.ones((1, 5, 5, 1)))
    expected = np.zeros((5, 5))
    expected[np.ix_([0, 2], [0, 2])] = 1
    np.testing.assert_array_equal(gradient[0, :, :, 0], expected)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 13, 9, 3), 6),
        ((1, 7, 7, 2), 7),
        ((1, 4, 4, 2), 6),
        ((2, 10, 12, 1), (3, 5)),
        ((1, 8, 8, 2), 1),
    ],
)
def test_adaptive_average_pool(shape, size):
    x = images(*shape)
    rows, columns = (size, size) if isinstance(size, int) else size
    h, w = shape[1:3]
    expected = np.empty((shape[0], rows, columns, shape[3]), np.float32)
    for i in range(rows):
        for j in range(columns):
            part = x[
                :,
                i * h // rows : -(-(i + 1) * h // rows),
                j * w // columns : -(-(j + 1) * w // columns),
            ]
            expected[:, i, j] = part.mean(axis=(1, 2))
    found = ops.adaptive_avg_pool(jnp.asarray(x), size)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_adaptive_average_pool_matches_torch():
    torch = pytest.importorskip("torch")
    x = images(2, 11, 8, 3)
    expected = (
        torch.nn.functional.adaptive_avg_pool2d(torch.tensor(x.transpose(0, 3, 1, 2)), (6, 7))
        .numpy()
        .transpose(0, 2, 3, 1)
    )
    np.testing.assert_allclose(
        ops.adaptive_avg_pool(jnp.asarray(x), (6, 7)), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("window", "stride", "padding", "ceil"),
    [
        (2, 2, 0, False),
        (3, 2, 0, True),
        (3, 2, 1, False),
        (3, 1, 1, False),
        ((2, 3), (1, 2), 0, False),
        (3, 2, "SAME", False),
        (2, 3, 0, False),
    ],
)
def test_max_pool_gradient_is_that_of_xla(window, stride, padding, ceil, dtype):
    x_key, dy_key = jax.random.split(jax.random.key(1))
    # There are many ties, also at the edges.
    x = jnp.round(2 * jax.random.normal(x_key, (2, 9, 10, 5), dtype))
    y, gradient = jax.vjp(lambda x: ops.max_pool(x, window, stride, padding=padding, ceil=ceil), x)
    dy = jax.random.normal(dy_key, y.shape, dtype)
    dims, strides, _, pads = pool._geometry(x, window, stride, padding, ceil)
    _, expected = jax.vjp(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, dims, strides, pads), x)
    # The order in which a pixel's shares are added may differ, and with it the rounding of sums of
    # up to 9 terms.
    tolerance = 1e-6 if dtype == jnp.float32 else 0.05
    found, wanted = (np.asarray(g(dy)[0], np.float32) for g in (gradient, expected))
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("window", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (3, 1, 1)])
def test_max_pool_of_gpus_is_that_of_tpus(window, stride, padding):
    """One by the places of the maxima, the other by XLA's own gradient."""
    x = jnp.round(2 * jax.random.normal(jax.random.key(2), (2, 9, 10, 5)))

    def numbers(platform):
        def pool_on(x):
            with ops.target(platform=platform):
                return ops.max_pool(x, window, stride, padding=padding)

        y, gradient = jax.vjp(pool_on, x)
        return y, gradient(jnp.cos(y))[0]

    for found, wanted in zip(numbers("gpu"), numbers("tpu"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
