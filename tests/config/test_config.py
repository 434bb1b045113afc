"""Settings: round trips, one sentence for what cannot work, the command line."""

import dataclasses

import pytest
from places import REPOSITORY

from jaxcnn.config import schema, values
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.config.validation import validate
from jaxcnn.errors import ConfigError
from jaxcnn.run import command

CONFIGS = sorted((REPOSITORY / "configs").glob("*.py"))


def test_round_trip_through_plain_values():
    config = Config(
        data=Data(augment=("flip", "shift"), resize=(256, 480)), optim=Optim(boundaries=(1.0, 2.5))
    )
    assert values.from_dict(values.to_dict(config)) == config


def test_unknown_field_in_stored_values():
    with pytest.raises(
        ConfigError, match=r"config\.optim has no field 'lr'; its fields are name, learning_rate"
    ):
        values.from_dict({"optim": {"lr": 1.0}})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            dict(precision="float16"),
            "config.precision is 'float16'; it must be one of float32, bfloat16",
        ),
        (dict(data=Data(batch_size=-4)), "config.data.batch_size is -4; it must be at least 1"),
        (dict(data=Data(augment=("flipp",))), "did you mean 'flip'"),
        (dict(data=Data(resize=(480, 256))), r"config.data.resize is \(480, 256\)"),
        (dict(data=Data(resize=(256, 480), area=(0.08, 1.0))), "two ways to crop"),
        (dict(data=Data(crop_fraction=1.2)), r"must lie in \(0, 1\]"),
        (dict(data=Data(frame="squared")), "did you mean 'square'"),
        (dict(data=Data(frame="warp", area=(0.08, 1.0))), "cuts from the whole image"),
        (dict(data=Data(whiten="zca", mean=(1.0,))), "stands in place of config.data.mean"),
        (dict(optim=Optim(schedule="cosin")), "did you mean 'cosine'"),
        (dict(optim=Optim(epochs=0)), "config.optim.epochs and config.optim.steps are both 0"),
        (dict(optim=Optim(momentum=1.0)), r"config.optim.momentum is 1.0; it must lie in \[0, 1\)"),
        (
            dict(data=Data(batch_size=10), optim=Optim(accumulate=4)),
            "does not divide into config.optim.accumulate=4 parts",
        ),
        (dict(optim=Optim(boundaries=(1.0, 2.0), values=(0.1,))), "1 entries for 2 boundaries"),
        (dict(data=Data(resize=(256,))), r"config.data.resize is \(256,\); it takes 2 values"),
        (dict(data=Data(mixup=0.0)), "config.data.mixup is 0.0; it must be above 0"),
        (dict(data=Data(aspect=(0.0, 1.0))), "config.data.aspect is 0.0; it must be above 0"),
        (dict(optim=Optim(factor=-0.1)), "config.optim.factor is -0.1; it must be above 0"),
        (
            dict(optim=Optim(aux_weight=-1.0)),
            "config.optim.aux_weight is -1.0; it must be at least 0",
        ),
        (
            dict(optim=Optim(learning_rate=float("nan"))),
            "config.optim.learning_rate is nan; it must be finite",
        ),
        (dict(model_args="**{'a': 1}"), "does not read as fields of the network"),
        (dict(model_args="dropout_rate"), "does not read as fields of the network"),
    ],
)
def test_a_bad_setting_is_one_sentence(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        validate(dataclasses.replace(Config(), **change))


def test_model_args_are_literals():
    assert schema.model_args(Config(model_args="dropout_rate=0.3, shortcut='A'")) == {
        "dropout_rate": 0.3,
        "shortcut": "A",
    }
    with pytest.raises(ConfigError):
        schema.model_args(Config(model_args="x=open('f')"))


def test_differences_name_the_path():
    old, new = values.to_dict(Config()), values.to_dict(Config(seed=3, optim=Optim(momentum=0.5)))
    assert values.differences(old, new) == {"seed": (0, 3), "optim.momentum": (0.9, 0.5)}


@pytest.mark.parametrize(
    "variant",
    [
        "lenet",
        "lenet5",
        "lenet_caffe",
        "lenet-mnist",
        "lenet5-mnist",
        "lenet5-mnist-distort",
        "lenet5-distort",
    ],
)
def test_lenet_variants(variant):
    config, _ = command.parse(["main", f"--config=configs/lenet.py:{variant}", "--workdir=w"])
    assert validate(config).model == variant.split("-")[0]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_is_valid_and_documents_itself(path):
    config, _ = command.parse(["main", f"--config={path}", "--workdir=w"])
    validate(config)
    text = path.read_text()
    assert f"--config=configs/{path.name}" in text and text.startswith('"""')
