"""What cannot work is one sentence."""

import dataclasses

import pytest

from jaxcnn.config import validation
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.config.validation import validate
from jaxcnn.errors import ConfigError


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
    ],
)
def test_a_bad_setting_is_one_sentence(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        validate(dataclasses.replace(Config(), **change))


def test_every_table_names_fields():
    paths = [*validation.CHOICES, *validation.POSITIVE, *validation.SHARES]
    for names in validation.LEAST.values():
        paths += names
    assert len(paths) == len(set(paths)) > 30
    for path in paths:
        validation.value_at(Config(), path)  # raises for one that is none


def test_older_forms_that_were_set_later_become_dicts():
    config = Config()
    config.model_args = "stages=[1, 2]"
    config.optim.layer_rates = ("fc=10",)
    assert validate(config).model_args == {"stages": (1, 2)}
    assert config.optim.layer_rates == {"fc": 10.0}
