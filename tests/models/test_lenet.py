"""LeNet-5 against the 1998 paper, number by number, and the two simplified LeNets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import assert_smallest, build, count, initial, logits_shape, outputs, run, slide
from scipy.signal import correlate2d

from jaxcnn import layers
from jaxcnn.models import _lenet5, create_model, lenet

SQUASH = layers.Squash()

# Table I of the paper, read column by column: the maps of S2 that each map of C3 reads.
READS = [
    {0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {0, 4, 5}, {0, 1, 5},
    {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {0, 3, 4, 5}, {0, 1, 4, 5}, {0, 1, 2, 5},
    {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5},
]  # fmt: skip


@pytest.fixture(scope="module")
def lenet5():
    return build("lenet5", (2, 32, 32, 1))


def test_lenet5_parameters_of_each_layer(lenet5):
    _, variables, _ = lenet5
    found = {name: count(tree) for name, tree in variables["params"].items()}
    # Section II.B; the output has none.
    expected = {"C1": 156, "S2": 12, "C3": 1_516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert found == expected
    assert set(variables) == {"params"}


def test_connection_table():
    assert [set(np.flatnonzero(column)) for column in _lenet5.C3_READS.T] == READS


def test_c3_is_a_sum_over_the_maps_of_its_table():
    x = np.random.default_rng(0).normal(size=(1, 9, 8, 6)).astype(np.float32)
    layer = _lenet5.TableConv()
    variables = layer.init(jax.random.key(0), x)
    kernel, bias = (np.asarray(variables["params"][name]) for name in ("kernel", "bias"))
    assert kernel.shape == (5, 5, 60)
    at, expected = 0, np.zeros((5, 4, 16))
    for j, maps in enumerate(READS):
        for i in sorted(maps):
            expected[:, :, j] += correlate2d(x[0, :, :, i], kernel[:, :, at], mode="valid")
            at += 1
        expected[:, :, j] += bias[j]
    np.testing.assert_allclose(layer.apply(variables, x)[0], expected, rtol=1e-4, atol=1e-6)


def test_subsampling_adds_four_neighbours():
    # The odd column is left over.
    x = np.random.default_rng(1).normal(size=(2, 6, 7, 3)).astype(np.float32)
    coefficient = np.array([0.5, -1.0, 2.0], np.float32)
    bias = np.array([0.1, 0.2, 0.3], np.float32)
    got = _lenet5.Subsampling().apply({"params": {"coefficient": coefficient, "bias": bias}}, x)
    total = x[:, ::2, :6:2] + x[:, 1::2, :6:2] + x[:, ::2, 1:6:2] + x[:, 1::2, 1:6:2]
    np.testing.assert_allclose(got, total * coefficient + bias, rtol=1e-5, atol=1e-6)


def test_squash_has_fixed_points_and_its_largest_curvature_at_one():
    np.testing.assert_allclose(SQUASH(jnp.array([-1.0, 0.0, 1.0])), [-1, 0, 1], atol=1e-4)
    curvature = jax.vmap(jax.grad(jax.grad(SQUASH)))(jnp.linspace(0.0, 3.0, 301))
    assert abs(int(jnp.argmax(jnp.abs(curvature))) - 100) <= 2


def test_output_codes_are_ten_different_bitmaps():
    assert _lenet5.CODES.shape == (10, 84) and set(np.unique(_lenet5.CODES)) == {-1.0, 1.0}
    apart = (_lenet5.CODES[:, None] != _lenet5.CODES[None]).sum(-1) + 84 * np.eye(10, dtype=int)
    assert apart.min() >= 8
    # Look-alikes have similar codes, as the paper asks.
    assert apart[3, 8] < apart[1, 8] and apart[0, 8] < apart[0, 4]
    seven = np.where(_lenet5.CODES[7].reshape(12, 7) > 0, "#", ".")
    # A row of the bitmap is a row of the digit.
    assert "".join(seven[0]) == "#######" and "".join(seven[-1]) == "..##..."


def test_logits_are_minus_the_distances_to_the_codes(lenet5):
    model, variables, images = lenet5
    kept = outputs(model, variables, images)
    f6 = 1.7159 * np.tanh(2 / 3 * kept["F6"])[:, 0, 0]
    expected = -((f6[:, None, :] - _lenet5.CODES[None]) ** 2).sum(-1)
    np.testing.assert_allclose(kept[""], expected, rtol=1e-5)
    perfect = _lenet5.RadialBasis(10).apply({}, _lenet5.CODES)
    np.testing.assert_array_equal(np.diag(perfect), 0)
    np.testing.assert_array_equal(np.argmax(perfect, -1), np.arange(10))


def test_lenet5_starts_uniform_within_the_fan_in_rule():
    params = initial("lenet5", (1, 32, 32, 1))
    for name, fan_in in (("C1", 25), ("S2", 4), ("S4", 4), ("C5", 400), ("F6", 120)):
        for leaf in jax.tree.leaves(params[name]):
            assert np.abs(leaf).max() <= 2.4 / fan_in
            assert leaf.size < 50 or np.abs(leaf).max() > 0.9 * 2.4 / fan_in
    at = np.repeat([len(maps) for maps in READS], [len(maps) for maps in READS])
    for maps in (3, 4, 6):
        largest = np.abs(params["C3"]["kernel"][:, :, at == maps]).max()
        assert 0.9 * 2.4 / (25 * maps) < largest <= 2.4 / (25 * maps)


def test_lenet5_has_no_codes_beyond_the_digits():
    with pytest.raises(ValueError, match="not for 11 classes: use lenet"):
        logits_shape("lenet5", (1, 32, 32, 1), num_classes=11)
    assert logits_shape("lenet5", (1, 32, 32, 1), num_classes=7) == (1, 7)


@pytest.mark.parametrize(
    ("name", "native"), [("lenet5", 32), ("lenet", 32), ("lenet_caffe", 28), ("lenet_d2l", 28)]
)
def test_sizes(name, native):
    assert_smallest(name, 12 if name == "lenet_d2l" else 16)
    assert_smallest(name, native, class_map=True)
    assert logits_shape(name, (3, 41, 57, 3)) == (3, 10)
    assert logits_shape(name, (1, native + 8, native + 4, 1), class_map=True) == (1, 3, 2, 10)


@pytest.mark.parametrize(("name", "native"), [("lenet5", 32), ("lenet", 32), ("lenet_caffe", 28)])
def test_class_map_is_the_network_slid_over_the_image(name, native):
    # Nothing is padded, so the class map's entry (i, j) is the network on the crop at (4 i, 4 j):
    # two poolings of 2.
    model, variables, images = build(name, (2, native + 4, native + 4, 1))
    dense = run(model.clone(class_map=True), variables, images)  # [2, 2, 2, 10]
    crops = [images[:, i : i + native, j : j + native] for i in (0, 4) for j in (0, 4)]
    single = run(model, variables, np.concatenate(crops)).reshape(2, 2, 2, 10)
    np.testing.assert_allclose(dense, single.transpose(2, 0, 1, 3), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "side", "says"),
    [
        (
            "lenet5",
            28,
            r"lenet5 reads images of 32x32 pixels and was given 28x28: .* 4x4, .*data.pad=2",
        ),
        (
            "lenet",
            40,
            r"LeNet reads images of 32x32 .* was given 40x40: .* 7x7, .*Resize the .*class_map",
        ),
        ("lenet_caffe", 24, r"LeNet reads images of 28x28 pixels .* 3x3, is resized to 4x4"),
    ],
)
def test_images_of_another_size_are_warned_of(name, side, says):
    with pytest.warns(UserWarning, match=says):
        logits_shape(name, (1, side, side, 1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["lenet5", "lenet", "lenet_caffe"])
def test_images_of_the_papers_size_are_not_warned_of(name):
    side = create_model(name).input_shape[0]
    assert logits_shape(name, (1, side, side, 1)) == (1, 10)
    assert logits_shape(name, (1, 44, 44, 1), class_map=True) == (
        1,
        4 + (side == 28),
        4 + (side == 28),
        10,
    )


def test_lenet_activation_and_pooling_are_fields():
    model, variables, images = build("lenet", (2, 32, 32, 1))
    usual = outputs(model, variables, images)
    assert usual["S2"].min() >= 0
    np.testing.assert_allclose(
        usual["S2"][0, 0, 0], np.maximum(usual["C1"][0, :2, :2].max((0, 1)), 0)
    )
    other = outputs(model.clone(activation="tanh", pooling="average"), variables, images)
    np.testing.assert_allclose(
        other["S2"][0, 0, 0], np.tanh(other["C1"][0, :2, :2]).mean((0, 1)), rtol=1e-4, atol=1e-6
    )
    fields = dict(activation=layers.Swish, pooling=layers.AvgPool)
    assert logits_shape("lenet", (1, 32, 32, 1), **fields) == (1, 10)
    with pytest.raises(ValueError, match="no activation 'gelu': use one of relu, sigmoid, tanh"):
        logits_shape("lenet", (1, 32, 32, 1), activation="gelu")
    with pytest.raises(ValueError, match="no pooling 'mean': use one of average, max"):
        logits_shape("lenet", (1, 32, 32, 1), pooling="mean")


def test_d2l_pads_the_image_as_lenet_wants_it_padded():
    model, variables, images = build("lenet_d2l", (2, 28, 28, 1))
    other = create_model("lenet", activation="sigmoid", pooling="average")
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    found = outputs(model, variables, images)
    np.testing.assert_allclose(found[""], run(other, variables, padded), rtol=1e-3, atol=1e-5)
    expected = 1 / (1 + np.exp(-found["C1"][0, :2, :2].astype(np.float64)))
    np.testing.assert_allclose(found["S2"][0, 0, 0], expected.mean((0, 1)), rtol=1e-5)


def test_caffe_has_one_activation():
    model, variables, images = build("lenet_caffe", (2, 28, 28, 1))
    kept = outputs(model, variables, images)
    assert kept["pool1"].min() < 0 and kept["pool2"].min() < 0
    np.testing.assert_allclose(
        kept[""],
        slide(kept["pool2"], ["ip1", "ip2"], variables["params"])[:, 0, 0],
        rtol=1e-4,
        atol=1e-4,
    )
    kernel = lenet.caffe_xavier(jax.random.key(0), (800, 500))
    assert 0.99 < np.abs(kernel).max() / (3 / 800) ** 0.5 <= 1


@pytest.mark.parametrize("name", ["lenet5", "lenet"])
def test_dropout_is_off_unless_asked_for_and_in_training_only(name):
    model, variables, images = build(name, (2, 32, 32, 1))
    plain = run(model, variables, images)
    np.testing.assert_array_equal(run(model, variables, images, train=True), plain)
    model = create_model(name, dropout_rate=0.5)
    a, b = (run(model, variables, images, train=True, dropout=seed) for seed in (0, 1))
    assert np.abs(a - b).max() > 1e-3
    np.testing.assert_array_equal(run(model, variables, images), plain)
