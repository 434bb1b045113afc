"""The tables of names."""

import pytest

from jaxcnn import weights
from jaxcnn.errors import WeightsError
from jaxcnn.models import list_models
from jaxcnn.weights.leaves import leaves
from jaxcnn.weights.ports import PORTS, names_all, translate
from jaxcnn.weights.preprocessing import ENTRIES

ONE_A_TABLE = (
    "alexnet_owt", "vgg19", "vgg19_bn", "googlenet_bn", "inception_v3", "inception_v4",
    "inception_resnet_v2", "resnet18", "resnet50", "resnet110", "efficientnet_b0",
    "tf_efficientnet_b0",
    "efficientnet_lite1", "tf_efficientnet_lite1",
)  # fmt: skip


@pytest.mark.parametrize("name", ONE_A_TABLE)
def test_a_port_names_each_layer_once(name):
    names = {leaf.theirs for leaf in leaves(name)}
    assert len(names) == len(leaves(name))
    assert {f"{PORTS[name].head}.weight", f"{PORTS[name].head}.bias"} <= names
    assert names_all(PORTS[name], list(names)) and not names_all(PORTS[name], ["stem.weight"])


def test_ports_are_of_networks_that_exist():
    assert {port.model for port in PORTS.values()} <= set(list_models())
    assert set(PORTS) == set(ENTRIES)


def test_numbers_in_names_shift():
    rows = (("stage{s}/block{b}/{layer}", "layer{s-1}.{b-1}.{layer}", 7),)
    assert translate("stage3/block12/conv1", rows) == ("layer2.11.conv1", 7)
    with pytest.raises(KeyError, match="stem"):
        translate("stem", rows)


def test_unknown_name_suggests():
    with pytest.raises(WeightsError, match=r"'resnet51' \(did you mean .*resnet50"):
        weights.from_torch("resnet51", {})
