"""What does not fit is listed in a few lines, with the network that it looks like."""

import numpy as np
import pytest
from states import SMALL, random_state

from jaxcnn import weights
from jaxcnn.errors import WeightsError
from jaxcnn.weights.misfits import LISTED
from jaxcnn.weights.torch import to_arrays


def said_of(name, state, **fields):
    with pytest.raises(WeightsError) as error:
        weights.from_torch(name, state, **fields)
    return str(error.value).splitlines()


def test_all_faults_are_listed_at_once():
    state = random_state("resnet18", **SMALL)
    del state["bn1.running_mean"]
    state["extra.weight"] = np.zeros((2, 3), np.float32)
    state["conv1.weight"] = np.zeros((4, 1, 7, 7), np.float32)
    lines = said_of("resnet18", state, **SMALL)
    assert "1 missing, 1 unexpected, 1 misshapen" in lines[0] and "resnet18" in lines[0]
    assert sorted(" ".join(line.split()) for line in lines[1:]) == [
        "misshapen conv1.weight: found 4x1x7x7, expected 4x3x7x7",
        "missing bn1.running_mean: found nothing, expected 4",
        "unexpected extra.weight: found 2x3, expected nothing",
    ]


@pytest.mark.parametrize(
    ("asked", "given"), [("resnet50", "resnet18"), ("resnet34", "resnet20"), ("vgg16", "vgg11_bn")]
)
def test_another_networks_weights_are_recognised_and_the_list_is_short(asked, given):
    lines = said_of(asked, random_state(given, num_classes=10))
    assert lines[0].endswith(f"misshapen; this looks like {given}")
    assert 0 < len(lines) - 1 <= 3 * (LISTED + 1)
    assert any(" more" in line for line in lines)


def test_weights_of_nothing_known_look_like_nothing():
    state = {f"block{i}.weight": np.zeros((3, 3), np.float32) for i in range(9)}
    lines = said_of("resnet18", state)
    assert "looks like" not in lines[0]
    assert f"  unexpected  and {9 - LISTED} more" in lines


def test_weights_without_their_last_layer_say_what_to_do():
    state = random_state("resnet18", **SMALL)
    headless = {key: value for key, value in state.items() if not key.startswith("fc.")}
    assert "the last layer, fc, is missing" in said_of("resnet18", headless, **SMALL)[0]
    assert "--num-classes N" in said_of("resnet18", headless, **SMALL)[0]


def test_hints_for_another_class_count_and_for_absent_heads():
    state = random_state("googlenet_bn", num_classes=5)
    assert "pass num_classes" in said_of("googlenet_bn", state, num_classes=6)[0]
    plain = {key: value for key, value in state.items() if not key.startswith("aux")}
    assert "pass aux_heads=False" in said_of("googlenet_bn", plain)[0]


def test_faults_of_variables_are_listed_in_our_names():
    variables = weights.from_torch("resnet18", random_state("resnet18", **SMALL), **SMALL)
    del variables["params"]["fc"]["bias"]
    with pytest.raises(WeightsError, match=r"missing\s+params/fc/bias: found nothing, expected 5"):
        to_arrays("resnet18", variables, **SMALL)
