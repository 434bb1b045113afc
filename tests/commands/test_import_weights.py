"""jaxcnn import, on networks of at most 21 MB."""

import sys

import jax
import numpy as np
import pytest
import torch_models
from states import random_state

from jaxcnn import weights
from jaxcnn.checkpoint.variables import load, load_variables
from jaxcnn.commands import import_weights


def run_script(capsys, *argv: object) -> tuple[int, str, str]:
    code = import_weights.main([str(a) for a in argv])
    out, err = capsys.readouterr()
    # one sentence, or the list of faults
    assert len((out + err).strip().splitlines()) == 1 or "missing" in err
    return code, out, err


def test_script_imports_a_torch_file_with_what_belongs_to_it(tmp_path, capsys):
    torch_ = torch_models.load_torch()[0]
    state = random_state("efficientnet_b0")
    tensors = {f"module.{key}": torch_.from_numpy(value) for key, value in state.items()}
    file = tmp_path / "efficientnet_b0_rwightman-7f5810bc.pth"
    torch_.save({"state_dict": tensors, "epoch": 3}, file)
    code, out, err = run_script(capsys, "efficientnet_b0", file, "--out", tmp_path / "out")
    assert code == 0, err
    # 5,288,548 parameters and 42,016 statistics
    assert "5,330,564 numbers, 1000 classes" in out and "assumed" not in out
    variables, metadata = load_variables(tmp_path / "out")
    jax.tree.map(
        np.testing.assert_array_equal, variables, weights.from_torch("efficientnet_b0", state)
    )
    assert metadata["model"] == "efficientnet_b0" and metadata["model_args"] == {
        "num_classes": 1000
    }
    assert (
        metadata["preprocessing"]["interpolation"] == "bicubic"
        and metadata["preprocessing"]["crop_fraction"] == 0.875
    )
    assert (
        metadata["class_names"][207] == "golden retriever"
        and metadata["synsets"][207] == "n02099601"
    )
    assert "IMAGENET1K_V1" in metadata["source"]
    code, _, err = run_script(capsys, "efficientnet_b0", file, "--out", tmp_path / "out")
    assert code == 1 and "exists already" in err


def test_script_imports_safetensors_with_a_new_head(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    state = random_state("tf_efficientnet_b0")
    safetensors.save_file(state, tmp_path / "model.safetensors")
    argv = (
        "tf_efficientnet_b0",
        tmp_path / "model.safetensors",
        "--out",
        tmp_path / "out",
        "--num-classes",
        3,
        "--weights",
        "ap_in1k",
    )
    code, _, err = run_script(capsys, *argv)
    assert code == 0, err
    model, variables, preprocess = load(tmp_path / "out")
    assert (model.same_padding, model.bn_epsilon, model.num_classes) == (True, 1e-3, 3)
    assert variables["params"]["fc"]["kernel"].shape == (1280, 3) and preprocess.mean == (
        127.5,
        127.5,
        127.5,
    )
    kernel = variables["params"]["stage1"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, state["conv_stem.weight"].transpose(2, 3, 1, 0))
    assert load_variables(tmp_path / "out")[1]["class_names"] == ["class 0", "class 1", "class 2"]


def test_script_lists_what_does_not_fit_and_writes_nothing(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    state = random_state("resnet18", num_classes=7)
    del state["layer1.0.bn1.bias"]
    state["head.bias"] = np.zeros(3, np.float32)
    safetensors.save_file(state, tmp_path / "mine.safetensors")
    code, _, err = run_script(
        capsys, "resnet18", tmp_path / "mine.safetensors", "--out", tmp_path / "out"
    )
    assert (
        code == 1
        and "missing     layer1.0.bn1.bias: found nothing, expected 64" in err
        and "unexpected  head.bias" in err
    )
    assert not (tmp_path / "out").exists()


class Payload:
    """Something that is no weight."""


def test_script_refuses_files_with_code_and_damaged_ones(tmp_path, capsys):
    torch_ = torch_models.load_torch()[0]
    torch_.save(Payload(), tmp_path / "model.pth")
    code, _, err = run_script(capsys, "resnet18", tmp_path / "model.pth")
    assert code == 2 and "state_dict" in err
    (tmp_path / "cut.pth").write_bytes((tmp_path / "model.pth").read_bytes()[:50])
    (tmp_path / "cut.safetensors").write_bytes(b"nothing")
    (tmp_path / "list.pth").write_bytes(b"")
    torch_.save([1, 2], tmp_path / "list.pth")
    for name, expected in (
        ("cut.pth", "damaged"),
        ("cut.safetensors", "damaged"),
        ("list.pth", "no state dict"),
        ("gone.pth", "not a file"),
    ):
        code, _, err = run_script(capsys, "resnet18", tmp_path / name)
        assert code in (1, 2) and expected in err, name
    code, _, err = run_script(capsys, "resnet18", __file__)
    assert code == 1 and "expected .pth, .pt, .th or .safetensors" in err


@pytest.mark.parametrize("name", ["resnet18", "inception_v4"])  # torchvision's code, timm's
def test_script_says_that_it_could_not_download(name, tmp_path, capsys, monkeypatch):
    _, torchvision, timm = torch_models.load_torch()

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    monkeypatch.setattr(timm, "create_model", offline)
    code, _, err = run_script(capsys, name, "download", "--out", tmp_path / "out")
    assert code == 1 and "could not download" in err and "no network" in err


def test_script_imports_a_cifar_network_with_its_classes(tmp_path, capsys):
    torch_ = torch_models.load_torch()[0]
    state = torch_models.build("akamaster", "resnet20").state_dict()
    tensors = {f"module.{key}": value for key, value in state.items()}
    file = tmp_path / "resnet20-12fca82f.th"
    torch_.save({"state_dict": tensors, "best_prec1": 91.73}, file)
    code, out, err = run_script(capsys, "resnet20", file, "--out", tmp_path / "out")
    assert code == 0, err
    # 269,722 parameters and 1,376 statistics
    assert "271,098 numbers, 10 classes" in out and "assumed" not in out
    variables, metadata = load_variables(tmp_path / "out")
    expected = weights.from_torch("resnet20", state)
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    assert metadata["class_names"][:3] == ["airplane", "automobile", "bird"]
    assert metadata["preprocessing"]["image_size"] == 32


def test_weights_without_a_last_layer_take_a_fresh_one(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    state = random_state("resnet20")
    headless = {key: value for key, value in state.items() if not key.startswith("linear.")}
    file = tmp_path / "backbone.safetensors"
    safetensors.save_file(headless, file)
    code, _, err = run_script(capsys, "resnet20", file, "--out", tmp_path / "out")
    assert code == 1 and "the last layer, linear, is missing" in err and "--num-classes N" in err
    asked = ("resnet20", file, "--out", tmp_path / "out", "--num-classes", 10)
    code, out, err = run_script(capsys, *asked)
    assert code == 0 and "10 classes" in out, err
    model, variables, _ = load(tmp_path / "out")
    assert model.num_classes == 10 and np.std(variables["params"]["fc"]["kernel"]) > 0.01
    assert load_variables(tmp_path / "out")[1]["class_names"][0] == "class 0"  # not CIFAR-10's


def test_script_says_first_that_safetensors_is_missing(tmp_path, capsys, monkeypatch):
    """Before it looks for the file, and before it knows the network."""
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    code, _, err = run_script(capsys, "no_network", tmp_path / "none.safetensors")
    assert code == 1 and ".safetensors files are read by safetensors" in err
    assert "pip install safetensors" in err


def test_files_of_cifar_networks_are_not_downloaded(tmp_path, capsys):
    code, _, err = run_script(capsys, "resnet20", "download", "--out", tmp_path / "out")
    assert code == 1 and "github.com/akamaster/pytorch_resnet_cifar10" in err
