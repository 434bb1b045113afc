"""Configs as plain values: to a dict and back, also from what older versions wrote."""

import json

import pytest

from jaxcnn.config import values
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.errors import ConfigError


def test_round_trip_through_json():
    config = Config(
        model_args={"stages": (1, (2, 3)), "shortcut": "A"},
        data=Data(augment=("flip", "shift"), resize=(256, 480)),
        optim=Optim(boundaries=(1.0, 2.5), layer_rates={"*/bn1": 0.1}),
    )
    assert values.from_dict(json.loads(json.dumps(values.to_dict(config)))) == config


def test_older_forms_are_read():
    old = {"model_args": "stages=(1, 2), shortcut='A'", "optim": {"layer_rates": ["fc=10", "b=1"]}}
    config = values.from_dict(old)
    assert config.model_args == {"stages": (1, 2), "shortcut": "A"}
    assert config.optim.layer_rates == {"fc": 10.0, "b": 1.0}
    assert values.from_dict({"model_args": ""}) == Config()
    new = Config(model_args=config.model_args, optim=Optim(layer_rates={"fc": 10, "b": 1}))
    assert not values.differences(values.to_dict(config), values.to_dict(new))


def test_unknown_field_in_stored_values():
    said = r"config\.optim has no field 'lr'; its fields are name, learning_rate"
    with pytest.raises(ConfigError, match=said):
        values.from_dict({"optim": {"lr": 1.0}})


def test_differences_name_the_path():
    old = values.to_dict(Config(model_args={"a": 1, "b": 2}))
    new = values.to_dict(Config(model_args={"a": 1, "c": 2}, seed=3, optim=Optim(momentum=0.5)))
    assert values.differences(old, new) == {
        "model_args.b": (2, None),
        "model_args.c": (None, 2),
        "seed": (0, 3),
        "optim.momentum": (0.9, 0.5),
    }
