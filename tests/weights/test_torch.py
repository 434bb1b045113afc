"""State dicts to variables and back."""

import jax
import numpy as np
import pytest
from states import SMALL, random_state

from jaxcnn import weights
from jaxcnn.weights.torch import to_arrays


def assert_same(a: dict, b: dict) -> None:
    assert set(a) == set(b)
    for key in a:
        assert a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]), key


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("resnet18", SMALL),
        ("vgg11_bn", {"num_classes": 3, "hidden": (8, 8)}),
        ("resnet20", {"num_classes": 4, "width": 8, "stages": (1, 2, 1)}),
    ],
)
def test_round_trip_to_the_bit(name, fields):
    state = random_state(name, **fields)
    variables = weights.from_torch(name, state, **fields)
    assert_same(to_arrays(name, variables, **fields), state)
    again = weights.from_torch(name, to_arrays(name, variables, **fields), **fields)
    jax.tree.map(np.testing.assert_array_equal, variables, again)


def test_layouts_against_explicit_indexing():
    state = random_state("vgg11", hidden=(4, 4), num_classes=3)
    params = weights.from_torch("vgg11", state, hidden=(4, 4), num_classes=3)["params"]
    kernel = params["conv2_1"]["kernel"]
    assert kernel[2, 0, 7, 9] == state["features.3.weight"][9, 7, 2, 0]  # HWIO, OIHW
    flattened = params["fc6"]["kernel"].reshape(7, 7, 512, 4)  # rows in the order H, W, C
    there = state["classifier.0.weight"][2, 100 * 49 + 3 * 7 + 5]  # C, H, W
    assert flattened[3, 5, 100, 2] == there
    assert params["fc8"]["kernel"][1, 2] == state["classifier.6.weight"][2, 1]


def test_depthwise_kernel_and_statistics():
    fields = {"width": 0.25, "depth": 0.1, "num_classes": 3}
    state = random_state("efficientnet_b0", **fields)
    variables = weights.from_torch("efficientnet_b0", state, **fields)
    kernel = variables["params"]["stage2"]["block1"]["depthwise"]["conv"]["kernel"]  # [3, 3, 1, C]
    there = state["features.1.0.block.0.0.weight"]
    np.testing.assert_array_equal(kernel[1, 2, 0], there[:, 0, 1, 2])
    var = variables["batch_stats"]["stage1"]["bn"]["var"]
    np.testing.assert_array_equal(var, state["features.0.1.running_var"])


def test_the_number_of_classes_is_that_of_the_weights():
    fields = {key: value for key, value in SMALL.items() if key != "num_classes"}
    state = random_state("resnet18", num_classes=7, **fields)
    variables = weights.from_torch("resnet18", state, **fields)
    assert variables["params"]["fc"]["kernel"].shape[1] == 7


def test_auxiliary_heads_of_the_weights_may_be_left_out():
    state = random_state("googlenet_bn", num_classes=5)
    plain = {key: value for key, value in state.items() if not key.startswith("aux")}
    without = weights.from_torch("googlenet_bn", plain, aux_heads=False)
    assert "aux1" not in without["params"]
    dropped = weights.from_torch("googlenet_bn", state, aux_heads=False)
    jax.tree.map(np.testing.assert_array_equal, without, dropped)
