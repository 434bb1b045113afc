"""`create_model(..., pretrained=PATH)`: weights of a run, of an import, of a PyTorch file."""

import jax
import numpy as np
import pytest
from checkpoints import GREY, checkpoint
from states import random_state

import jaxcnn
from jaxcnn import weights
from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.config.schema import Data
from jaxcnn.errors import CheckpointError, WeightsError

IMAGES = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype(np.float32)


def same(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "lenet"
    checkpoint(path, "lenet", preprocess=GREY, data=Data(), window=5, dropout_rate=0.25)
    return path


def test_the_weights_and_the_fields_of_a_run(run):
    model, variables = jaxcnn.create_model("lenet", pretrained=run)
    given, _ = load_variables(run)
    same(variables, given)
    assert (model.num_classes, model.dropout_rate) == (10, 0.25)
    assert model.apply(variables, IMAGES).shape == (2, 10)


def test_another_number_of_classes_draws_the_last_layer_alone(run):
    model, variables = jaxcnn.create_model("lenet", pretrained=str(run), num_classes=3)
    given, _ = load_variables(run)
    fresh = variables["params"].pop("output")
    given["params"].pop("output")
    same(variables, given)
    assert fresh["kernel"].shape[-1] == 3 and np.std(fresh["kernel"]) > 0
    again = jaxcnn.create_model("lenet", pretrained=run, num_classes=3)[1]["params"]["output"]
    same(fresh, again)
    assert model.num_classes == 3


@pytest.mark.parametrize("fields", [{"num_classes": 0}, {"features_only": True}])
def test_without_a_head_its_weights_are_left_out(run, fields):
    model, variables = jaxcnn.create_model("lenet", pretrained=run, **fields)
    assert set(variables["params"]) == {"C1", "C3"}
    found = model.apply(variables, IMAGES)
    assert [x.shape for x in jax.tree.leaves(found)][-1][-1] == 16


def test_a_file_of_pytorch_weights(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy", reason="pip install -e '.[export]'")
    state = random_state("resnet20")
    safetensors.save_file(state, tmp_path / "resnet20.safetensors")
    path = tmp_path / "resnet20.safetensors"
    model, variables = jaxcnn.create_model("resnet20", pretrained=path)
    expected = weights.from_torch("resnet20", state)
    same(variables, expected)
    assert model.num_classes == 10
    _, variables = jaxcnn.create_model("resnet20", pretrained=path, num_classes=7)
    assert variables["params"]["fc"]["kernel"].shape == (64, 7)
    backbone, variables = jaxcnn.create_model("resnet20", pretrained=path, features_only=True)
    same(variables["params"]["stage3"], expected["params"]["stage3"])
    assert "fc" not in variables["params"] and backbone.strides == (1, 2, 4)
    headless = {key: value for key, value in state.items() if not key.startswith("linear")}
    safetensors.save_file(headless, path)
    assert "fc" not in jaxcnn.create_model("resnet20", pretrained=path, num_classes=0)[1]["params"]
    with pytest.raises(WeightsError, match="the last layer, linear, is missing"):
        jaxcnn.create_model("resnet20", pretrained=path)


def test_weights_of_another_network_are_refused(run, tmp_path):
    with pytest.raises(WeightsError, match="holds weights of lenet, not of lenet_caffe"):
        jaxcnn.create_model("lenet_caffe", pretrained=run)
    with pytest.raises(WeightsError, match=r"do not fit lenet with .*window.*params/C5/kernel"):
        jaxcnn.create_model("lenet", pretrained=run, window=4)
    with pytest.raises((WeightsError, CheckpointError), match="is not a file; expected a"):
        jaxcnn.create_model("resnet20", pretrained=tmp_path / "none.pth")
