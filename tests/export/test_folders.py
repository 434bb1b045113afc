"""StableHLO, safetensors and hub folders: opened by what they are for; nothing half written."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest
import torch_models
from exported import source_of

from jaxcnn.checkpoint.variables import load, load_variables, save_variables
from jaxcnn.commands import export, import_weights
from jaxcnn.errors import ExportError
from jaxcnn.export import bundle, hub, portable, safetensors, stablehlo
from jaxcnn.export.bundle import Form
from jaxcnn.export.ports import port_of
from jaxcnn.weights.ports import PORTS

pytest.importorskip("safetensors", reason="pip install -e '.[export]'")

# A Python that has jax, flatbuffers and numpy, and refuses everything else of ours.
LONE = """
import sys, runpy
for name in ("jaxcnn", "flax", "safetensors", "orbax", "optax"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def lenet():
    return source_of("lenet", 32)


@pytest.fixture(scope="module")
def lite():
    """EfficientNet-Lite0 as it is, for 5 classes, with random weights."""
    source = source_of("efficientnet_lite0", 224, num_classes=5)
    source.metadata.update(class_names=list("abcde"), metrics={"top1": 0.75}, source="drawn")
    return source


def test_stablehlo_runs_without_this_package(lenet, tmp_path):
    pytest.importorskip("flatbuffers", reason="pip install -e '.[export]'")
    form = Form(takes="pixels", outputs=("logits", "class_map"))
    found = stablehlo.export_stablehlo(lenet, tmp_path / "out", form)
    assert found["difference"] < 1e-5
    pixels = portable.example(lenet.preprocess, "pixels", "nhwc", 3)
    np.save(tmp_path / "images.npy", pixels)
    command = [sys.executable, "-I", "-c", LONE, str(tmp_path / "out" / "run.py")]
    ran = subprocess.run(
        [*command, str(tmp_path / "images.npy"), str(tmp_path / "found.npz")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    images = (pixels.astype(np.float32) - 120) / 60
    expected = lenet.model.apply(lenet.variables, images)
    outputs = np.load(tmp_path / "found.npz")
    assert bundle.difference(outputs["logits"], expected) < 1e-5
    assert outputs["class_map"].shape == (3, 1, 1, 10)
    facts = json.loads((tmp_path / "out" / "export.json").read_text())
    assert facts["platforms"] == ["cpu", "cuda", "tpu"] and facts["outputs"] == list(form.outputs)


def test_stablehlo_keeps_the_weights_out_of_the_program(lenet):
    flat = {"/".join(k.key for k in p): v for p, v in jax.tree.leaves_with_path(lenet.variables)}
    exported = stablehlo.program(lenet, Form(batch=2), flat)
    assert exported.platforms == ("cpu", "cuda", "tpu") and len(exported.in_avals) == len(flat) + 1
    assert exported.in_avals[-1].shape == (2, 32, 32, 1)


def test_timm_opens_the_hub_folder_offline(lite, tmp_path):
    torch, _, timm = torch_models.load_torch()
    assert hub.export_hub(lite, tmp_path / "hub") == {"port": "tf_efficientnet_lite0"}
    network = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    assert network.num_classes == 5
    config = timm.data.resolve_data_config({}, model=network)
    assert tuple(config["input_size"]) == (3, 224, 224)
    assert config["mean"] == pytest.approx((120 / 255,) * 3, abs=1e-5)
    images = portable.example(lite.preprocess, "normalised", "nhwc", 2)
    with torch.no_grad():
        expected = network(torch_models.nchw(images)).numpy()
    found = jax.jit(lite.model.apply)(lite.variables, images)
    assert bundle.difference(found, expected) < 1e-4
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "top1 at the checkpoint: 0.75" in card and "drawn" in card


def test_the_hub_folder_comes_back(lite, tmp_path, capsys):
    hub.export_hub(lite, tmp_path / "hub")
    out = tmp_path / "back"
    argv = ["tf_efficientnet_lite0", str(tmp_path / "hub"), "--out", str(out)]
    assert import_weights.main(argv) == 0
    _, variables, preprocess = load(out)
    jax.tree.map(np.testing.assert_array_equal, variables, lite.variables)
    assert preprocess == lite.preprocess
    assert load_variables(out)[1]["class_names"] == list("abcde")
    capsys.readouterr()
    argv[0] = "resnet18"
    assert import_weights.main([*argv[:3], str(tmp_path / "no")]) == 2
    assert "holds weights of tf_efficientnet_lite0" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "googlenet_bn", "tf_efficientnet_b0"])
def test_safetensors_load_strictly(name, tmp_path):
    torch, torchvision, timm = torch_models.load_torch()
    from safetensors.torch import load_file

    port = PORTS[name]
    source = source_of(port.model, 224, **port.fields)
    assert safetensors.export_safetensors(source, tmp_path / "out") == {"port": name}
    make = timm.create_model if port.library == "timm" else torchvision.models.get_model
    network = make(port.entry, **({"init_weights": False} if "google" in name else {}))
    state = load_file(tmp_path / "out" / "model.safetensors")
    network.load_state_dict(state, strict=True)
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_networks_that_are_nobody_else_s(lenet):
    with pytest.raises(ExportError, match="neither torchvision nor timm has lenet"):
        port_of(lenet.metadata)
    with pytest.raises(ExportError, match="differs from torchvision's resnet18 in width"):
        port_of({"model": "resnet18", "model_args": {"width": 8}})
    b0 = {"model": "efficientnet_b0"}
    name, _ = port_of({**b0, "model_args": {"same_padding": True, "bn_epsilon": 1e-3}})
    assert name == "tf_efficientnet_b0"
    assert port_of({**b0, "model_args": {"num_classes": 3}})[0] == "efficientnet_b0"


def test_what_differs_is_not_written(lenet, tmp_path):
    def wrong(images):
        return [np.zeros((len(images), 10), np.float32)]

    with (
        pytest.raises(ExportError, match=r"logits differ .* at batch 1 .*nothing was written"),
        bundle.whole_folder(tmp_path / "out") as folder,
    ):
        (folder / "model").touch()
        bundle.check(lenet, Form(), wrong)
    assert list(tmp_path.iterdir()) == []
    assert bundle.difference(np.array([np.nan]), np.array([1.0])) == float("inf")
    assert bundle.difference(np.zeros((2, 1)), np.zeros((1, 2))) == float("inf")


def test_a_push_without_a_network_is_one_sentence(tmp_path):
    class Offline:
        def create_repo(self, *args, **kwargs):
            raise ConnectionError("no route\nto host")

    pytest.importorskip("huggingface_hub", reason="pip install -e '.[export]'")
    with pytest.raises(ExportError, match=r"could not be pushed to me/net .*no route to host"):
        hub.push(tmp_path, "me/net", Offline())


@pytest.fixture(scope="module")
def workdir(lenet, tmp_path_factory):
    metadata = {"model": "lenet", "model_args": {}, "preprocessing": lenet.preprocess.to_dict()}
    return save_variables(tmp_path_factory.mktemp("w") / "lenet", lenet.variables, metadata)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["hub", "--layout", "nchw"], "hub holds weights alone, so it takes no --layout"),
        (["onnx", "--push", "a/b"], "--push uploads a hub folder"),
        (["onnx", "--outputs", "logits,probabilities"], "there is no output 'probabilities'"),
        (["onnx", "--outputs", "logits,logits"], "every output is named once"),
        (["onnx", "--batch", "many"], "--batch many is neither any nor a number"),
        (["onnx", "--batch", "0"], "a batch of 0 holds no image"),
        (["safetensors"], "neither torchvision nor timm has lenet"),
    ],
)
def test_bad_input_is_one_sentence(arguments, expected, workdir, tmp_path, capsys):
    out = tmp_path / "out"
    code = export.main([arguments[0], str(workdir), "--out", str(out), *arguments[1:]])
    said = capsys.readouterr().err
    assert code == 2 and expected in said and len(said.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports_and_refuses_to_overwrite(workdir, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert export.main(["onnx", str(workdir), "--out", out]) == 0
    assert "largest difference" in capsys.readouterr().out
    assert export.main(["onnx", str(workdir), "--out", out]) == 2
    assert "exists already" in capsys.readouterr().err
    assert export.main(["onnx", str(tmp_path / "none"), "--out", out + "2"]) == 1
