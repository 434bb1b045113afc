"""Summaries against published figures, arithmetic and the gradient; jaxcnn summarize."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import random_variables

from jaxcnn.commands import summarize as command
from jaxcnn.costs.published import PUBLISHED, number
from jaxcnn.costs.summary import summarize
from jaxcnn.models import create_model, list_models

costs = functools.cache(summarize)


@pytest.mark.parametrize(
    ("name", "conv", "linear", "other"),
    [
        ("alexnet", 2_334_080, 58_631_144, 0),
        ("vgg16", 14_714_688, 123_642_856, 0),
        ("vgg19", 20_024_384, 123_642_856, 0),
        ("resnet20", 267_696, 650, 1_376),
        ("resnet50", 23_454_912, 2_049_000, 53_120),
        ("googlenet_bn", 5_718_464, 7_271_352, 15_072),
        # with slim's auxiliary head: 1x1 128, 5x5 768, BatchNorm after each, 1,000 classes
        ("inception_v4", 41_079_648 + 2_588_672, 1_537_000 + 769_000, 63_168 + 1_792),
    ],
)
def test_parameters_by_kind(name, conv, linear, other):
    summary = costs(name)
    assert (summary.conv_params, summary.linear_params, summary.other_params) == (
        conv,
        linear,
        other,
    )
    assert summary.family == list_models()[name]
    assert sum(layer.params for layer in summary.layers) == summary.params - summary.aux_params


def test_auxiliary_heads_are_parameters_only():
    summary = summarize("googlenet")
    assert (summary.params, summary.aux_params) == (6_998_552 + 6_379_728, 6_379_728)
    without = summarize("googlenet", aux_heads=False)
    assert (without.params, without.aux_params, without.macs) == (6_998_552, 0, summary.macs)


def test_layers_of_alexnet():
    """Multiply-adds of each layer of section 3.5, by hand."""
    rows = {
        layer.path: (layer.output, layer.macs)
        for layer in summarize("alexnet").layers
        if layer.macs
    }
    assert rows == {
        "conv1": ((55, 55, 96), 105_415_200),
        "conv2": ((27, 27, 256), 223_948_800),
        "conv3": ((13, 13, 384), 149_520_384),
        "conv4": ((13, 13, 384), 112_140_288),
        "conv5": ((13, 13, 256), 74_760_192),
        "fc6": ((1, 1, 4096), 37_748_736),
        "fc7": ((1, 1, 4096), 16_777_216),
        "fc8": ((1, 1, 1000), 4_096_000),
    }


def test_activation_memory_is_every_layers_output():
    numbers = 28 * 28 * 6 + 14 * 14 * 6 + 10 * 10 * 16 + 5 * 5 * 16 + 120 + 84 + 10
    assert summarize("lenet").activation_bytes == 4 * numbers


@pytest.mark.parametrize(
    ("name", "side"),
    [
        # Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural networks"
        ("alexnet_owt", 195),
        ("vgg16", 212),
        ("inception_v3", 1311),
        ("inception_v4", 2071),
        ("resnet50_v1", 483),
        # With the stride in the 3x3: 7 + 2*2, then 2 * 4 * 3, 8 + 16 * 3, 16 + 32 * 5, 32 + 64 * 2.
        ("resnet50", 427),
        ("lenet5", 16),
    ],
)
def test_receptive_field(name, side):
    assert costs(name).receptive_field == (side, side)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("resnet50", dict(stages=(1, 1), width=4)),
        ("resnet20", dict(stages=(2, 1), width=4)),
    ],
)
def test_receptive_field_is_where_the_gradient_reaches(name, fields):
    """The pixels that the middle position of the class map depends on span exactly the field."""
    size = summarize(name, **fields).receptive_field
    model = create_model(name, **fields, class_map=True)
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(1, 96, 96, 3)), jnp.float32)
    variables = random_variables(model, x)

    def middle(x):
        y = model.apply(variables, x)
        return jnp.sum(y[:, y.shape[1] // 2, y.shape[2] // 2])

    reached = np.any(np.asarray(jax.jit(jax.grad(middle))(x)) != 0, axis=(0, 3))
    spans = [np.flatnonzero(reached.any(axis=axis)) for axis in (1, 0)]
    assert tuple(span[-1] - span[0] + 1 for span in spans) == size


def test_nothing_is_allocated():
    before = {id(array) for array in jax.live_arrays()}
    summarize("vgg19")
    assert sum(array.nbytes for array in jax.live_arrays() if id(array) not in before) < 1000


def test_published_figures_are_of_networks_here_and_readable():
    assert set(PUBLISHED) <= set(list_models())
    for printed in PUBLISHED.values():
        assert printed.source and (printed.params or printed.macs)
        assert all(number(figure) > 0 for figure in (printed.params, printed.macs) if figure)
    assert [number(figure) for figure in ("60000", "0.27M", "15.3G")] == pytest.approx(
        [60_000, 270_000, 15.3e9]
    )


def run(capsys, *arguments):
    code = command.main(list(arguments))
    return code, *capsys.readouterr()


def test_json_lines(capsys):
    code, out, _ = run(capsys, "lenet*", "resnet20", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["model"] for line in lines] == [
        "lenet",
        "lenet5",
        "lenet_caffe",
        "lenet_d2l",
        "resnet20",
    ]
    expected = dict(
        model="lenet",
        family="lenet",
        params=61_706,
        conv_params=2_572,
        linear_params=59_134,
        macs=416_520,
    )
    assert {**lines[0], **expected, "input_shape": [32, 32, 1]} == lines[0]
    assert lines[4]["published"] == {
        "params": "0.27M",
        "macs": "",
        "source": "He et al. 2015, table 6",
    }


def test_table(capsys, monkeypatch):
    """Shares, printed figures and differences stand in the rows; a narrow terminal cuts nothing."""
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = run(capsys, "alexnet", "vgg19", "vgg19_bn", "inception_resnet_v2", "alexnet")
    rows = {words[0]: words for words in map(str.split, out.splitlines()) if words}
    assert code == 0 and "…" not in out
    assert rows["alexnet"][1:5] == ["224×224×3", "60,965,224", "4/96/0", "724M"]
    assert rows["alexnet"][6:] == ["195", "60M", "+1.6%", "1"]
    assert rows["vgg19"][2:5] == ["143,667,240", "14/86/0", "19.6G"]
    assert rows["vgg19"][7:11] == ["144M", "-0.2%", "19.6G", "+0.2%"]
    assert [words[0] for words in map(str.split, out.splitlines()) if words].count("alexnet") == 1
    assert "Krizhevsky et al. 2012" in out and max(map(len, out.splitlines())) <= 110


def test_sizes_stand_in_the_order_of_their_numbers():
    names = ["resnet110", "vgg11", "resnet20", "efficientnet_b1"]
    assert command.in_order(names) == ["efficientnet_b1", "resnet20", "resnet110", "vgg11"]


def test_layer_table(capsys):
    code, out, _ = run(capsys, "lenet5", "--layers")
    assert code == 0
    assert ["C3", "TableConv", "10×10×16", "1,516", "150,000"] in [
        line.split() for line in out.splitlines()
    ]
    assert "60,000 parameters, 325,680 multiply-adds" in out


def test_unknown_name_is_one_sentence(capsys):
    code, out, err = run(capsys, "vgg-19")
    assert (
        (code, out) == (2, "")
        and err.startswith("There is no model 'vgg-19' (did you mean vgg19")
        and err.count("\n") == 1
    )
