"""Overrides of fields that are dicts, from the command line."""

import pytest

from jaxcnn import main
from jaxcnn.run import command

ARGV = ["main", "--config=configs/resnet.py", "--workdir=w"]  # with {"bn_group_size": 32}


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (["--config.model_args.dropout_rate=0.3"], {"bn_group_size": 32, "dropout_rate": 0.3}),
        (["--config.model_args.bn_group_size=16"], {"bn_group_size": 16}),
        (
            ["--config.model_args.shortcut=A", "--config.model_args.stages=(1, 2)"],
            {"bn_group_size": 32, "shortcut": "A", "stages": (1, 2)},
        ),
        (
            ["--config.model_args=dropout_rate=0.3, shortcut='A'"],
            {"dropout_rate": 0.3, "shortcut": "A"},
        ),
        (["--config.model_args={'dropout_rate': 0.3}"], {"dropout_rate": 0.3}),
        (["--config.model_args="], {}),
        (["--config.model_args=", "--config.model_args.zero=true"], {"zero": True}),
    ],
)
def test_fields_of_the_network(arguments, fields):
    assert command.parse([*ARGV, *arguments])[0].model_args == fields


@pytest.mark.parametrize(
    ("arguments", "rates"),
    [
        (["--config.optim.layer_rates=fc=10, conv1=0.5"], {"fc": 10, "conv1": 0.5}),
        (["--config.optim.layer_rates={'*/bn1': 0.1}"], {"*/bn1": 0.1}),
        (["--config.optim.layer_rates=('fc=10', '*/bn1=2')"], {"fc": 10.0, "*/bn1": 2.0}),
        (
            ["--config.optim.layer_rates.*/bn1=0.1", "--config.optim.layer_rates.fc=10"],
            {"*/bn1": 0.1, "fc": 10},
        ),
    ],
)
def test_rates_of_layers(arguments, rates):
    assert command.parse([*ARGV, *arguments])[0].optim.layer_rates == rates


def test_what_is_no_mapping_is_one_sentence(capsys):
    assert main.main([*ARGV, "--config.model_args=dropout_rate"]) == 2
    said = capsys.readouterr().err
    assert "'dropout_rate' is no mapping; write it like" in said and said.count("\n") == 1
