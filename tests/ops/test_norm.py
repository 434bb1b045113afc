"""Local response normalisation in both conventions and batch normalisation over groups.

Both are compared with NumPy and PyTorch.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn import ops


def images(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def lrn_by_loops(a: np.ndarray, n: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """AlexNet section 3.3 as printed: the sum runs from max(0, i - n/2) to min(N - 1, i + n/2)."""
    b = np.empty(a.shape, np.float64)
    channels = a.shape[-1]
    for i in range(channels):
        total = np.square(
            a[..., max(0, i - n // 2) : min(channels - 1, i + n // 2) + 1].astype(np.float64)
        ).sum(axis=-1)
        b[..., i] = a[..., i] / (k + alpha * total) ** beta
    return b


@pytest.mark.parametrize(
    ("size", "alpha", "beta", "k"),
    [(5, 1e-4, 0.75, 2.0), (5, 2e-5, 0.75, 1.0), (3, 0.1, 0.5, 1.0), (9, 1e-3, 0.6, 1.5)],
)
def test_lrn_is_the_papers_formula(size, alpha, beta, k):
    for channels in (3, 32):
        x = images(2, 3, 4, channels, scale=10)
        found = ops.local_response_norm(jnp.asarray(x), size=size, alpha=alpha, beta=beta, k=k)
        np.testing.assert_allclose(
            found, lrn_by_loops(x, size, alpha, beta, k), rtol=2e-5, atol=1e-6
        )


def test_lrn_by_hand():
    # One pixel, channels (1, 2, 3), window 3: sums of squares 5, 14, 13; (0 + 1 * sum) ** 0.5 in
    # the denominator.
    found = ops.local_response_norm(
        jnp.asarray([[1.0, 2.0, 3.0]]), size=3, alpha=1.0, beta=0.5, k=0.0
    )
    np.testing.assert_allclose(found[0], [1 / 5**0.5, 2 / 14**0.5, 3 / 13**0.5], rtol=1e-6)


@pytest.mark.parametrize(("size", "beta"), [(5, 0.75), (5, 0.5), (3, 0.6)])
def test_lrn_with_alpha_over_size_is_torchs(size, beta):
    torch = pytest.importorskip("torch")
    x, cotangent = images(2, 4, 5, 24, scale=3), images(2, 4, 5, 24, seed=1)
    t = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    y = torch.nn.LocalResponseNorm(size, alpha=0.02, beta=beta, k=1.5)(t)
    y.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))
    found, vjp = jax.vjp(
        lambda v: ops.local_response_norm(v, size=size, alpha=0.02 / size, beta=beta, k=1.5),
        jnp.asarray(x),
    )
    np.testing.assert_allclose(
        found, y.detach().numpy().transpose(0, 2, 3, 1), rtol=2e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        vjp(jnp.asarray(cotangent))[0], t.grad.numpy().transpose(0, 2, 3, 1), rtol=2e-4, atol=2e-5
    )


def test_lrn_keeps_bfloat16():
    x = images(1, 2, 2, 16, scale=10)
    found = ops.local_response_norm(jnp.asarray(x, jnp.bfloat16))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        found.astype(jnp.float32), lrn_by_loops(x, 5, 1e-4, 0.75, 2.0), rtol=0.02
    )


def batch_norm_by_numpy(x, scale, bias, epsilon, size):
    """(y, mean, unbiased variance), groups of `size` one by one."""
    parts, means, variances = [], [], []
    axes = tuple(range(x.ndim - 1))
    for group in np.split(x.astype(np.float64), len(x) // size):
        mean, var = group.mean(axis=axes), group.var(axis=axes)
        parts.append((group - mean) / np.sqrt(var + epsilon) * scale + bias)
        means.append(mean)
        variances.append(group.var(axis=axes, ddof=1))
    return np.concatenate(parts), np.mean(means, axis=0), np.mean(variances, axis=0)


@pytest.mark.parametrize("group_size", [0, 2, 3, 6, 100])
@pytest.mark.parametrize("shape", [(6, 5, 4, 7), (6, 8)])
def test_batch_norm_statistics_by_groups(shape, group_size):
    x = images(*shape, scale=2) + 3
    scale, bias = images(shape[-1], seed=1), images(shape[-1], seed=2)
    found = ops.batch_norm_train(
        jnp.asarray(x), jnp.asarray(scale), jnp.asarray(bias), epsilon=1e-3, group_size=group_size
    )
    expected = batch_norm_by_numpy(x, scale, bias, 1e-3, min(group_size or 6, 6))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_batch_norm_of_a_far_mean_keeps_its_variance():
    """The mean is 1,000 times the deviation: E[x^2] - E[x]^2 in float32 would lose the variance."""
    x = images(16, 8, 8, 3) * 0.5 + 500.0
    y, _, var = ops.batch_norm_train(jnp.asarray(x), None, None, epsilon=0.0)
    np.testing.assert_allclose(var, x.astype(np.float64).var(axis=(0, 1, 2), ddof=1), rtol=1e-3)
    np.testing.assert_allclose(np.std(y, axis=(0, 1, 2)), 1.0, rtol=1e-3)


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_one_reading_around_a_guess_keeps_the_variance_of_a_far_mean(platform):
    """The mean is 1,000 times the deviation and the guess of it two deviations off."""
    x = images(16, 8, 8, 3) * 0.5 + np.float32(500.0)
    exact = x.astype(np.float64)
    with ops.target(platform=platform):
        y, mean, var = ops.batch_norm_train(
            jnp.asarray(x), None, None, epsilon=0.0, pivot=jnp.full(3, 501.0)
        )
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=(0, 1, 2), ddof=1), rtol=1e-4)
    np.testing.assert_allclose(np.std(y, axis=(0, 1, 2)), 1.0, rtol=1e-4)


def test_one_reading_gives_the_numbers_and_gradients_of_two():
    x, scale, bias = jnp.asarray(images(4, 5, 6, 3) + 3), images(3, seed=1) + 1, images(3, seed=2)
    cotangents = (images(4, 5, 6, 3, seed=3), images(3, seed=4), images(3, seed=5))

    def numbers(platform, pivot):
        def normalise(x, scale, bias):
            with ops.target(platform=platform):
                return ops.batch_norm_train(x, scale, bias, epsilon=1e-3, group_size=2, pivot=pivot)

        outputs, vjp = jax.vjp(normalise, x, jnp.asarray(scale), jnp.asarray(bias))
        return [*outputs, *vjp(tuple(map(jnp.asarray, cotangents)))]

    expected = numbers("cpu", None)
    for pivot in (jnp.zeros(3), jnp.full(3, 2.5)):
        for found, wanted in zip(numbers("gpu", pivot), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
    # On the CPU a guess changes nothing.
    for found, wanted in zip(numbers("cpu", jnp.full(3, 2.5)), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_equal_numbers_have_no_negative_variance():
    x = jnp.full((4, 7, 7, 2), 3.3)
    with ops.target(platform="tpu"):
        y, _, var = ops.batch_norm_train(x, None, None, epsilon=1e-5, pivot=jnp.zeros(2))
    assert np.isfinite(y).all() and (np.asarray(var) >= 0).all()


@pytest.mark.parametrize("group_size", [0, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_gradients_match_torch(group_size, affine):
    torch = pytest.importorskip("torch")
    x, cotangent = images(4, 5, 6, 3, scale=2), images(4, 5, 6, 3, seed=3)
    scale, bias = (images(3, seed=1) + 1, images(3, seed=2)) if affine else (None, None)
    norm = torch.nn.BatchNorm2d(3, eps=1e-3, momentum=1.0, affine=affine)
    if affine:
        norm.weight.data, norm.bias.data = torch.tensor(scale), torch.tensor(bias)
    t = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    y = torch.cat([norm(part) for part in t.split(group_size or 4)])
    y.backward(torch.tensor(cotangent.transpose(0, 3, 1, 2)))

    def ours(x, *affine):
        return ops.batch_norm_train(
            x, *(affine or (None, None)), epsilon=1e-3, group_size=group_size
        )[0]

    arguments = [jnp.asarray(x)] + ([jnp.asarray(scale), jnp.asarray(bias)] if affine else [])
    found, vjp = jax.vjp(ours, *arguments)
    expected = [t.grad.numpy().transpose(0, 2, 3, 1)] + (
        [norm.weight.grad.numpy(), norm.bias.grad.numpy()] if affine else []
    )
    np.testing.assert_allclose(
        found, y.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5
    )
    for a, b in zip(vjp(jnp.asarray(cotangent)), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def test_running_statistics_have_gradients_too():
    """A loss on the returned mean and variance differentiates, as central differences say."""
    x = jnp.asarray(images(4, 3, 3, 2))

    def loss(x):
        y, mean, var = ops.batch_norm_train(x, None, None, epsilon=1e-2, group_size=2)
        return jnp.sum(y**3) + 2 * jnp.sum(mean**2) + 5 * jnp.sum(var**2)

    step = 1e-2 * images(4, 3, 3, 2, seed=1)
    numeric = (loss(x + step) - loss(x - step)) / 2
    np.testing.assert_allclose(jnp.vdot(jax.grad(loss)(x), jnp.asarray(step)), numeric, rtol=2e-2)


def test_groups_stay_on_their_devices():
    """With a group for each of 8 devices only the parameters' gradients are exchanged."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    x = jax.ShapeDtypeStruct((16, 4, 4, 6), jnp.float32, sharding=split)
    parameter = jax.ShapeDtypeStruct((6,), jnp.float32, sharding=whole)

    def loss(*arguments):
        return jnp.sum(ops.batch_norm_train(*arguments, epsilon=1e-5, group_size=2)[0] ** 3)

    gradients = (
        jax.jit(jax.grad(loss, (0, 1, 2)), out_shardings=(split, whole, whole))
        .lower(x, parameter, parameter)
        .compile()
    )
    assert "all-reduce(" in gradients.as_text()
    for kind in ("all-gather", "all-to-all", "collective-permute"):
        assert kind not in gradients.as_text()
    exchanged = [line for line in gradients.as_text().splitlines() if "all-reduce(" in line]
    assert all("[6]" in line and "4,4,6]" not in line.split("all-reduce(")[0] for line in exchanged)


def test_groups_must_divide_the_batch():
    with pytest.raises(ValueError, match="batch of 6 does not divide into BatchNorm groups of 4"):
        ops.batch_norm_train(jnp.zeros((6, 3)), None, None, epsilon=1e-5, group_size=4)


def test_an_empty_batch_is_one_sentence():
    with pytest.raises(ValueError, match="an empty batch has no statistics"):
        ops.batch_norm_train(jnp.zeros((0, 2, 2, 3)), None, None, epsilon=1e-5, group_size=2)


def test_bfloat16_statistics_are_float32():
    x = jnp.asarray(images(8, 16, 16, 4) + 8, jnp.bfloat16)
    y, mean, var = ops.batch_norm_train(x, jnp.ones(4), jnp.zeros(4), epsilon=1e-5)
    assert (y.dtype, mean.dtype, var.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    exact = np.asarray(x.astype(jnp.float32), np.float64)
    np.testing.assert_allclose(mean, exact.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(var, exact.var(axis=(0, 1, 2), ddof=1), rtol=1e-3)
    gradients = jax.grad(
        lambda *a: jnp.sum(ops.batch_norm_train(*a, epsilon=1e-5)[0].astype(jnp.float32) ** 2),
        (0, 1, 2),
    )(x, jnp.ones(4), jnp.zeros(4))
    assert [g.dtype for g in gradients] == [jnp.bfloat16, jnp.float32, jnp.float32]


def test_batch_norm_by_running_statistics():
    x, mean, scale, bias = (
        images(2, 3, 3, 4),
        images(4, seed=1),
        images(4, seed=2),
        images(4, seed=3),
    )
    var = images(4, seed=4) ** 2
    found = ops.batch_norm(
        jnp.asarray(x),
        jnp.asarray(mean),
        jnp.asarray(var),
        jnp.asarray(scale),
        jnp.asarray(bias),
        epsilon=1e-3,
    )
    np.testing.assert_allclose(
        found, (x - mean) / np.sqrt(var + 1e-3) * scale + bias, rtol=1e-4, atol=1e-5
    )
    plain = ops.batch_norm(
        jnp.asarray(x), jnp.asarray(mean), jnp.asarray(var), None, None, epsilon=1e-3
    )
    np.testing.assert_allclose(plain, (x - mean) / np.sqrt(var + 1e-3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("numbers", [(5, 1e-2, 0.75, 2.0), (5, 2e-2, 0.5, 1.0), (4, 0.1, 0.6, 1.5)])
def test_lrn_of_gpus_is_that_of_other_platforms(numbers, groups):
    """One by sums of shifted maps with a gradient written out, one by products with a band."""
    size, alpha, beta, k = numbers
    x, cotangent = jnp.asarray(images(2, 4, 5, 24, scale=3)), jnp.asarray(images(2, 4, 5, 24))

    def outputs(platform):
        def respond(x):
            with ops.target(platform=platform):
                return ops.local_response_norm(
                    x, size=size, alpha=alpha, beta=beta, k=k, groups=groups
                )

        y, vjp = jax.vjp(respond, x)
        return y, vjp(cotangent)[0]

    for found, wanted in zip(outputs("gpu"), outputs("cpu"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-5)
