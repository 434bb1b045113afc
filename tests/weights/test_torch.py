"""State dicts to variables and back, new heads, frozen layers, labels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch_models

from jaxcnn import create_model, weights
from jaxcnn.checkpoint.variables import load, load_variables
from jaxcnn.layers.naming import matches
from jaxcnn.models import list_models
from jaxcnn.weights import labels, torch
from jaxcnn.weights.ports import PORTS, translate
from jaxcnn.weights.preprocessing import ENTRIES, entry_of_file, preprocessing
from scripts import import_weights

SMALL = dict(num_classes=5, stages=(1, 1), width=4, input_shape=(16, 16, 3))  # of resnet18


def random_state(name: str, **fields) -> dict[str, np.ndarray]:
    """A state dict of random arrays in PyTorch's layout, with its BatchNorm counters."""
    rng = np.random.default_rng(0)
    state = {
        leaf.theirs: rng.standard_normal(leaf.their_shape, np.float32)
        for leaf in torch._leaves(name, **fields)
    }
    counters = {
        k.replace("running_var", "num_batches_tracked"): np.zeros((), np.int64)
        for k in state
        if k.endswith("running_var")
    }
    return state | counters


def assert_same(a: dict, b: dict) -> None:
    assert set(a) == set(b)
    for key in a:
        assert a[key].dtype == b[key].dtype and np.array_equal(a[key], b[key]), key


ONE_A_TABLE = (
    "alexnet_owt", "vgg19", "vgg19_bn", "googlenet_bn", "inception_v3", "inception_v4", "inception_resnet_v2",
    "resnet18", "resnet50", "efficientnet_b0", "tf_efficientnet_b0", "efficientnet_lite1", "tf_efficientnet_lite1",
)  # fmt: skip


@pytest.mark.parametrize("name", ONE_A_TABLE)
def test_a_port_names_each_layer_once(name):
    leaves = torch._leaves(name)
    assert len({leaf.theirs for leaf in leaves}) == len(leaves)


def test_ports_are_of_networks_that_exist():
    assert {port.model for port in PORTS.values()} <= set(list_models()) and set(PORTS) == set(
        ENTRIES
    )


def test_round_trip_to_the_bit():
    for name, fields in (("resnet18", SMALL), ("vgg11_bn", {"num_classes": 3, "hidden": (8, 8)})):
        state = random_state(name, **fields)
        variables = weights.from_torch(name, state, **fields)
        assert_same(torch.to_arrays(name, variables, **fields), state)
        again = weights.from_torch(name, torch.to_arrays(name, variables, **fields), **fields)
        jax.tree.map(np.testing.assert_array_equal, variables, again)


def test_layouts_against_explicit_indexing():
    state = random_state("vgg11", hidden=(4, 4), num_classes=3)
    params = weights.from_torch("vgg11", state, hidden=(4, 4), num_classes=3)["params"]
    assert (
        params["conv2_1"]["kernel"][2, 0, 7, 9] == state["features.3.weight"][9, 7, 2, 0]
    )  # HWIO, OIHW
    flattened = params["fc6"]["kernel"].reshape(7, 7, 512, 4)  # rows in the order H, W, C
    assert (
        flattened[3, 5, 100, 2] == state["classifier.0.weight"][2, 100 * 49 + 3 * 7 + 5]
    )  # there C, H, W
    assert params["fc8"]["kernel"][1, 2] == state["classifier.6.weight"][2, 1]


def test_depthwise_kernel_and_statistics():
    fields = {"width": 0.25, "depth": 0.1, "num_classes": 3}
    state = random_state("efficientnet_b0", **fields)
    variables = weights.from_torch("efficientnet_b0", state, **fields)
    depthwise = variables["params"]["stage2"]["block1"]["depthwise"]["conv"][
        "kernel"
    ]  # [3, 3, 1, C]
    np.testing.assert_array_equal(
        depthwise[1, 2, 0], state["features.1.0.block.0.0.weight"][:, 0, 1, 2]
    )
    np.testing.assert_array_equal(
        variables["batch_stats"]["stage1"]["bn"]["var"], state["features.0.1.running_var"]
    )


def test_numbers_in_names_shift():
    rows = (("stage{s}/block{b}/{layer}", "layer{s-1}.{b-1}.{layer}", 7),)
    assert translate("stage3/block12/conv1", rows) == ("layer2.11.conv1", 7)
    with pytest.raises(KeyError, match="stem"):
        translate("stem", rows)


def test_all_faults_are_listed_at_once():
    state = random_state("resnet18", **SMALL)
    del state["bn1.running_mean"]
    state["extra.weight"] = np.zeros((2, 3), np.float32)
    state["conv1.weight"] = np.zeros((4, 1, 7, 7), np.float32)
    with pytest.raises(ValueError) as error:
        weights.from_torch("resnet18", state, **SMALL)
    lines = str(error.value).splitlines()
    assert "1 missing, 1 unexpected, 1 misshapen" in lines[0] and "resnet18" in lines[0]
    assert sorted(" ".join(line.split()) for line in lines[1:]) == [
        "misshapen conv1.weight: found 4x1x7x7, expected 4x3x7x7",
        "missing bn1.running_mean: found nothing, expected 4",
        "unexpected extra.weight: found 2x3, expected nothing",
    ]


def test_faults_of_variables_are_listed_in_our_names():
    variables = weights.from_torch("resnet18", random_state("resnet18", **SMALL), **SMALL)
    del variables["params"]["fc"]["bias"]
    with pytest.raises(ValueError, match=r"missing\s+params/fc/bias: found nothing, expected 5"):
        torch.to_arrays("resnet18", variables, **SMALL)


def test_hints_for_another_class_count_and_for_absent_heads():
    state = random_state("googlenet_bn", num_classes=5)
    with pytest.raises(ValueError, match="pass num_classes"):
        weights.from_torch("googlenet_bn", state, num_classes=6)
    plain = {key: value for key, value in state.items() if not key.startswith("aux")}
    with pytest.raises(ValueError, match="pass aux_heads=False"):
        weights.from_torch("googlenet_bn", plain, num_classes=5)
    without = weights.from_torch("googlenet_bn", plain, num_classes=5, aux_heads=False)
    assert "aux1" not in without["params"]
    dropped = weights.from_torch(
        "googlenet_bn", state, num_classes=5, aux_heads=False
    )  # heads of the file left out
    jax.tree.map(np.testing.assert_array_equal, without, dropped)


def test_unknown_name_suggests():
    with pytest.raises(ValueError, match="'resnet51'; did you mean resnet50"):
        weights.from_torch("resnet51", {})


def test_new_head_keeps_the_rest():
    images = jnp.zeros((1, 32, 32, 3))
    variables = jax.tree.map(
        lambda s: np.ones(s.shape, s.dtype),
        jax.eval_shape(create_model("resnet20").init, jax.random.key(0), images),
    )
    new = weights.with_new_head("resnet20", variables, 7, jax.random.key(1))
    head = new["params"].pop("fc")
    assert (
        head["kernel"].shape == (64, 7)
        and head["bias"].shape == (7,)
        and float(jnp.std(head["kernel"])) > 0.01
    )
    variables["params"].pop("fc")
    assert jax.tree.all(jax.tree.map(lambda old, kept: old is kept, variables, new))


def test_new_head_refuses_strangers():
    with pytest.raises(ValueError, match="not variables of resnet20"):
        weights.with_new_head(
            "resnet20", {"params": {"other": {"kernel": np.zeros((2, 2))}}}, 5, jax.random.key(0)
        )
    with pytest.raises(ValueError, match="at least 1 class"):
        weights.with_new_head("resnet20", {}, 0, jax.random.key(0))


def test_patterns():
    assert matches("stage1/block1/conv1", ["stage1"]) and not matches(
        "stage10/block1/conv1", ["stage1"]
    )
    assert matches("stage2/block1/bn1", ["*/bn1"]) and matches("stage2/block1/bn1", ["stage[12]"])
    assert not matches("stage3/block1/bn1", ["stage[12]", "bn1"])


def test_a_pattern_without_a_layer_is_an_error():
    variables = weights.from_torch("resnet18", random_state("resnet18", **SMALL), **SMALL)
    with pytest.raises(
        ValueError, match=r"pattern 'stage7'; the layers are bn1, conv1, fc, stage1, stage2"
    ):
        weights.frozen(variables["params"], ("conv1", "stage7"))


def test_frozen_layers_neither_learn_nor_update_their_statistics():
    model = create_model("resnet18", **SMALL)
    images = jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    variables = model.init(jax.random.key(1), images)
    patterns = ("conv1", "bn1", "stage1")
    mask = weights.frozen(variables["params"], patterns)
    labels_ = jax.tree.map(lambda still: "frozen" if still else "trained", mask)
    decayed = optax.chain(
        optax.add_decayed_weights(1e-2), optax.sgd(0.1, momentum=0.9)
    )  # decay must not move frozen weights either
    tx = optax.multi_transform({"trained": decayed, "frozen": optax.set_to_zero()}, labels_)

    @jax.jit
    def step(params, stats, opt_state):
        def loss(params):
            with weights.frozen_statistics(patterns):
                logits, new = model.apply(
                    {"params": params, "batch_stats": stats},
                    images,
                    train=True,
                    mutable=["batch_stats"],
                )
            return optax.softmax_cross_entropy_with_integer_labels(
                logits, jnp.arange(4)
            ).mean(), new["batch_stats"]

        grads, stats_ = jax.grad(loss, has_aux=True)(params)
        updates, opt_state_ = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), stats_, opt_state_

    params, stats, opt_state = (
        variables["params"],
        variables["batch_stats"],
        tx.init(variables["params"]),
    )
    for _ in range(2):
        params, stats, opt_state = step(params, stats, opt_state)
    after = {"params": params, "batch_stats": stats}
    still = weights.frozen(variables, patterns)
    moved = jax.tree.map(lambda old, new: not np.array_equal(old, new), dict(variables), after)
    assert jax.tree.all(jax.tree.map(lambda moved, still: moved != still, moved, still))
    assert (
        still["batch_stats"]["stage1"]["block1"]["bn2"]["mean"] and moved["params"]["fc"]["kernel"]
    )


def test_frozen_batch_norm_uses_the_running_statistics():
    model = create_model("resnet18", **SMALL)
    images = 3.0 + jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    variables = model.init(jax.random.key(1), images)
    everything = tuple(variables["params"])
    expected = model.apply(variables, images, train=False)
    with weights.frozen_statistics(everything):
        logits, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    np.testing.assert_array_equal(logits, expected)
    batch, _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    assert not np.allclose(batch, expected, atol=1e-3)


def test_synsets_are_sorted_and_complete():
    names = labels.synsets()
    assert len(names) == 1000 and list(names) == sorted(set(names))
    assert (names[0], names[207], names[999]) == ("n01440764", "n02099601", "n15075141")


@pytest.mark.parametrize("name", PORTS)
def test_preprocessing_of_every_port(name):
    model = create_model(PORTS[name].model)
    for entry in ENTRIES[name]:
        found = preprocessing(name, entry)
        assert found["channels"] == 3 and 0.8 < found["crop_fraction"] <= 1
        # torchvision's B2 is evaluated at 288, timm's Lite3 and Lite4 at 300 and 380.
        others = ("efficientnet_b2", "tf_efficientnet_lite3", "tf_efficientnet_lite4")
        assert found["image_size"] == model.input_shape[0] or name in others


def test_preprocessing_of_files_and_entries():
    assert entry_of_file("resnet50", "resnet50-11ad3fa6.pth") == "IMAGENET1K_V2"
    assert entry_of_file("tf_efficientnet_b0", "tf_efficientnet_b0_ap-f262efe1.pth") == "ap_in1k"
    assert entry_of_file("resnet50", "my_resnet.pth") == ""
    with pytest.raises(ValueError, match="did you mean IMAGENET1K_V2"):
        preprocessing("resnet50", "IMAGENET1K_V3")
    assert preprocessing("inception_v3")["mean"] == [
        127.5,
        127.5,
        127.5,
    ]  # what the network sees after torchvision's transform_input


def test_label_order_is_checked():
    with pytest.raises(ValueError, match="expected 1000 synsets in order"):
        labels.check_order(("background", *labels.synsets()), "slim.txt")
    shifted = ("n01440763", *labels.synsets()[:-1])
    with pytest.raises(ValueError, match="another label order"):
        labels.check_order(shifted, "shifted.txt")


# scripts/import_weights.py, on a network of 21 MB


def run_script(capsys, *argv: object) -> tuple[int, str, str]:
    code = import_weights.main([str(a) for a in argv])
    out, err = capsys.readouterr()
    assert (
        len((out + err).strip().splitlines()) == 1 or "missing" in err
    )  # one sentence, or the list of faults
    return code, out, err


def test_script_imports_a_torch_file_with_what_belongs_to_it(tmp_path, capsys):
    torch_ = torch_models.load_torch()[0]
    state = random_state("efficientnet_b0")
    tensors = {f"module.{key}": torch_.from_numpy(value) for key, value in state.items()}
    file = tmp_path / "efficientnet_b0_rwightman-7f5810bc.pth"
    torch_.save({"state_dict": tensors, "epoch": 3}, file)
    code, out, err = run_script(capsys, "efficientnet_b0", file, "--out", tmp_path / "out")
    assert code == 0, err
    assert (
        "5,330,564 numbers, 1000 classes" in out and "assumed" not in out
    )  # 5,288,548 parameters and 42,016 statistics
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
    assert code == 1 and "can run code" in err and "state_dict" in err
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
        assert code == 1 and expected in err, name
    code, _, err = run_script(capsys, "resnet18", __file__)
    assert code == 1 and "expected .pth, .pt or .safetensors" in err


@pytest.mark.parametrize("name", ["resnet18", "inception_v4"])  # torchvision's code, timm's
def test_script_says_that_it_could_not_download(name, tmp_path, capsys, monkeypatch):
    _, torchvision, timm = torch_models.load_torch()

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    monkeypatch.setattr(timm, "create_model", offline)
    code, _, err = run_script(capsys, name, "download", "--out", tmp_path / "out")
    assert code == 1 and "could not download" in err and "no network" in err
