"""What cannot work is one sentence."""

import dataclasses
import re

import pytest

from jaxcnn.config import ranges, validation
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
        (
            dict(data=Data(batch_size=-4)),
            r"config.data.batch_size is -4; it must lie in \[1, 1048576\]",
        ),
        (dict(data=Data(augment=("flipp",))), r"\(did you mean flip\?\)"),
        (dict(data=Data(resize=(480, 256))), r"config.data.resize is \(480, 256\)"),
        (dict(data=Data(resize=(256, 480), area=(0.08, 1.0))), "two ways to crop"),
        (dict(data=Data(crop_fraction=1.2)), r"must lie in \[0.05, 1\]"),
        (dict(optim=Optim(schedule="cosin")), r"\(did you mean cosine\?\)"),
        (dict(optim=Optim(epochs=0)), "config.optim.epochs and config.optim.steps are both 0"),
        (dict(optim=Optim(momentum=1.0)), r"config.optim.momentum is 1.0; it must lie in \[0, 1\)"),
        (
            dict(data=Data(batch_size=10), optim=Optim(accumulate=4)),
            "does not divide into config.optim.accumulate=4 parts",
        ),
        (dict(optim=Optim(boundaries=(1.0, 2.0), values=(0.1,))), "1 entries for 2 boundaries"),
        (
            dict(data=Data(resize=(256,))),
            r"config.data.resize is \(256,\); it must be 2 whole numbers in brackets",
        ),
        (dict(data=Data(mixup=0.0)), r"config.data.mixup is 0.0; it must lie in \[0.001, 100\]"),
        (
            dict(data=Data(aspect=(0.0, 1.0))),
            r"is \(0.0, 1.0\); 0.0 in it must lie in \[0.01, 100\]",
        ),
        (dict(optim=Optim(factor=-0.1)), "config.optim.factor is -0.1; it must lie in"),
        (
            dict(optim=Optim(aux_weight=-1.0)),
            r"config.optim.aux_weight is -1.0; it must lie in \[0, 1000\]",
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


def test_every_number_has_a_range_and_every_table_names_fields():
    def leaves(section, where=""):
        for field in dataclasses.fields(section):
            value = getattr(section, field.name)
            if dataclasses.is_dataclass(value):
                yield from leaves(value, f"{where}{field.name}.")
            else:
                yield f"{where}{field.name}", field.type

    kinds = dict(leaves(Config()))
    numbers = {path for path, kind in kinds.items() if re.search(r"\b(int|float)\b", str(kind))}
    assert set(ranges.RANGES) == numbers - {"optim.layer_rates", "data.channels"}
    assert set(validation.CHOICES) <= set(kinds)


def test_every_default_lies_in_its_range():
    assert validate(Config()) == Config()


def test_older_forms_that_were_set_later_become_dicts():
    config = Config()
    config.model_args = "stages=[1, 2]"
    config.optim.layer_rates = ("fc=10",)
    assert validate(config).model_args == {"stages": (1, 2)}
    assert config.optim.layer_rates == {"fc": 10.0}
