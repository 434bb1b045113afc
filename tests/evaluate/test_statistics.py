"""Recomputed statistics of BatchNorm against PyTorch's and against what evaluation then sees."""

import dataclasses

import numpy as np
import pytest
from checkpoints import GREY
from flax.traverse_util import flatten_dict
from networks import build
from recipe_files import FEWER, abstract

from jaxcnn.checkpoint.variables import load, load_variables, save_variables
from jaxcnn.commands import recompute_statistics
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import WeightsError
from jaxcnn.evaluate.moments import Moments
from jaxcnn.evaluate.statistics import layers_with_statistics, recompute
from jaxcnn.models import create_model, list_models

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

DATA = Data(batch_size=8, threads=2)
SPLIT = "train[:22]"  # of the digits: two batches and a part of one
FIELDS = dict(stages=(1, 1), width=4, num_classes=10)


@pytest.fixture(scope="module")
def network():
    """(model, variables, images as the network sees them [22, 32, 32, 1]) of a small ResNet."""
    model, variables, _ = build("resnet20", (1, 32, 32, 1), **FIELDS)
    source = open_source(DATA, SPLIT)
    views = np.stack([eval_view(source[i].image, GREY) for i in range(len(source))])
    return model, variables, np.asarray(GREY.normalise(views.astype(np.float32)))


def recomputed(network, devices, **options):
    return recompute(
        network[0], network[1], preprocess=GREY, source=open_source(DATA, SPLIT), devices=devices,
        **{"data": DATA} | options,
    )  # fmt: skip


def twin(variables, statistics):
    """The same network in PyTorch, float64: ({layer: module}, forward)."""
    flat = {"/".join(k): v for k, v in flatten_dict(variables["params"]).items()}
    layers = {}
    for path in flatten_dict(variables["batch_stats"], sep="/"):
        name = path.rpartition("/")[0]
        bn = torch.nn.BatchNorm2d(len(flat[f"{name}/scale"]), eps=1e-5).double()
        bn.weight.data = torch.tensor(flat[f"{name}/scale"]).double()
        bn.bias.data = torch.tensor(flat[f"{name}/bias"]).double()
        bn.running_mean = torch.tensor(statistics[f"{name}/mean"]).double()
        bn.running_var = torch.tensor(statistics[f"{name}/var"]).double()
        layers[name] = bn

    def conv(x, name, stride=1):
        kernel = torch.tensor(flat[f"{name}/kernel"]).double().permute(3, 2, 0, 1)
        return torch.nn.functional.conv2d(x, kernel, stride=stride, padding=1)

    def forward(images):
        x = torch.tensor(images).double().permute(0, 3, 1, 2)
        x = torch.relu(layers["bn1"](conv(x, "conv1")))
        for stage, stride in (("stage1/block1", 1), ("stage2/block1", 2)):
            y = torch.relu(layers[f"{stage}/bn1"](conv(x, f"{stage}/conv1", stride)))
            y = layers[f"{stage}/bn2"](conv(y, f"{stage}/conv2"))
            short = x[:, :, ::stride, ::stride]
            short = torch.nn.functional.pad(short, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            x = torch.relu(y + short)
        return x

    return layers, forward


def statistics_of(layers, biased):
    """{path: value} of what PyTorch's layers hold; `biased` turns its variance into that."""
    found = {}
    for name, bn in layers.items():
        found[f"{name}/mean"] = bn.running_mean.numpy()
        found[f"{name}/var"] = bn.running_var.numpy() * biased[name]
    return found


def check(found, expected):
    flat = flatten_dict(found.variables["batch_stats"], sep="/")
    assert flat.keys() == expected.keys()
    for path, value in flat.items():
        np.testing.assert_allclose(value, expected[path], rtol=2e-5, atol=2e-6, err_msg=path)


def test_one_batch_of_everything_is_pytorchs_training_mode(network, devices):
    """With momentum None PyTorch keeps the plain average over batches, here of one."""
    found = recomputed(network, devices, data=dataclasses.replace(DATA, batch_size=22))
    before = flatten_dict(network[1]["batch_stats"], sep="/")
    layers, forward = twin(network[1], before)
    counts = {}
    for name, bn in layers.items():
        bn.momentum = None
        bn.reset_running_stats()
        bn.train().register_forward_pre_hook(
            lambda _, given, name=name: counts.update({name: given[0][:, 0].numel()})
        )
    forward(network[2])
    check(found, statistics_of(layers, {name: (n - 1) / n for name, n in counts.items()}))
    assert (found.images, found.corrupt) == (22, 0)
    assert found.layers == ["bn1"] + [f"stage{s}/block1/bn{i}" for s in (1, 2) for i in (1, 2)]


def test_layer_by_layer_evaluation_normalises_by_its_own_moments(network, devices):
    """PyTorch in evaluation, with the new statistics: what each layer reads has just these."""
    found = recomputed(network, devices, layer_by_layer=True)
    new = flatten_dict(found.variables["batch_stats"], sep="/")
    layers, forward = twin(network[1], new)
    read = {}
    for name, bn in layers.items():
        bn.eval().register_forward_pre_hook(
            lambda _, given, name=name: read.update(
                {
                    f"{name}/mean": given[0].mean((0, 2, 3)).numpy(),
                    f"{name}/var": given[0].var((0, 2, 3), correction=0).numpy(),
                }
            )
        )
    with torch.no_grad():
        forward(network[2])
    check(found, read)


def test_batches_pool_to_the_whole_however_they_are_cut():
    """Float64 merges: the moments of 1,000 numbers far from zero, in parts of any size."""
    x = 1e4 + np.random.default_rng(0).standard_normal((1000, 3))
    pooled = Moments()
    for part in np.split(x, [1, 17, 400, 990]):
        pooled.add(len(part), part.mean(axis=0), part.var(axis=0))
    assert pooled.count == 1000
    np.testing.assert_allclose(pooled.mean, x.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(pooled.var, x.var(axis=0), rtol=1e-9)


def test_batches_of_eight_are_near_the_whole_and_count_every_image(network, devices):
    """The first layer reads the images themselves, so its statistics do not depend on batches."""
    some, exact = (recomputed(network, devices, layer_by_layer=by) for by in (False, True))
    assert some.images == exact.images == 22
    first, other = (f.variables["batch_stats"]["bn1"] for f in (some, exact))
    np.testing.assert_allclose(first["mean"], other["mean"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first["var"], other["var"], rtol=1e-5)
    assert some.mean_moved > 0.1 and some.var_ratio > 1.1  # they were drawn at random


def test_nothing_to_compute_is_one_sentence(devices):
    model, variables, _ = build("lenet", (1, 32, 32, 1))
    with pytest.raises(WeightsError, match="LeNet has no batch statistics"):
        recomputed((model, variables), devices)


@pytest.mark.parametrize(
    "name",
    ["resnet50", "googlenet_bn", "bn_inception", "inception_v3", "vgg11_bn", "efficientnet_b0"],
)
def test_every_family_with_statistics_has_its_layers_found(name):
    """All of them, but for auxiliary heads, which evaluation does not call."""
    variables = abstract(name)
    network = create_model(name, **FEWER.get(list_models()[name], {}))
    found = layers_with_statistics(network, variables, Preprocess(network.input_shape[0]))
    held = {
        path[:-1]
        for path in flatten_dict(variables["batch_stats"])
        if not path[0].startswith("aux")
    }
    assert set(found) == held and len(found) == len(held)


def test_the_command_writes_a_checkpoint_that_says_what_changed(network, tmp_path, capsys):
    model, variables, _ = network
    metadata = {
        "config": to_dict(Config(model="resnet20", data=Data(train_split=SPLIT, batch_size=8))),
        "model": "resnet20",
        "model_args": FIELDS,
        "preprocessing": GREY.to_dict(),
        "metrics": {"top1": 0.5},
        "step": 7,
    }
    save_variables(tmp_path / "w", variables, metadata)
    arguments = ["--workdir", str(tmp_path / "w"), "--out", str(tmp_path / "new")]
    assert recompute_statistics.main(arguments) == 0
    said = capsys.readouterr().out
    assert "statistics of 5 layers over 22 images of digits train[:22]" in said
    after, about = load_variables(tmp_path / "new")
    np.testing.assert_array_equal(
        after["params"]["conv1"]["kernel"], variables["params"]["conv1"]["kernel"]
    )
    assert not np.array_equal(
        after["batch_stats"]["bn1"]["mean"], variables["batch_stats"]["bn1"]["mean"]
    )
    changed = about["recomputed_statistics"]
    assert (changed["images"], changed["split"], changed["batch_size"]) == (22, SPLIT, 8)
    assert about["step"] == 7 and "metrics" not in about
    assert type(load(tmp_path / "new")[0]) is type(model)
    assert recompute_statistics.main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
