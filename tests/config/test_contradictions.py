"""Settings that work by themselves but not side by side: each pair is one sentence."""

import pytest

from jaxcnn.config.schema import Config
from jaxcnn.config.validation import validate
from jaxcnn.errors import ConfigError


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"data.pixel_mean": "x.npy", "data.mean": (1.0,)},
            "are two means to subtract; set one of them",
        ),
        ({"optim.schedule": "step"}, 'schedule="step" needs config.optim.boundaries'),
        (
            {"optim.boundaries": (3.0,)},
            "boundaries belong to schedule=\"step\", and config.optim.schedule is 'constant'",
        ),
        (
            {"optim.boundaries": (3.0, 2.0), "optim.schedule": "step"},
            r"boundaries is \(3.0, 2.0\); they are epochs above 0 in increasing order",
        ),
        (
            {"optim.warmup": 11.0},
            "warmup is 11 epochs, longer than the run of config.optim.epochs=10",
        ),
        (
            {"optim.layer_rates": ("fc",)},
            r"layer_rates gives 'fc' the multiple ''; write \{LAYER: MULTIPLE\}",
        ),
        ({"optim.layer_rates": ("fc=-1",)}, "layer_rates gives 'fc' the multiple -1.0"),
        (
            {"fresh": ("fc",)},
            "config.fresh names layers to start fresh, but config.init_from gives no weights",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_one_sentence(change, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        config = Config()
        for path, value in change.items():  # together: no step of the way is valid
            section, _, name = path.rpartition(".")
            setattr(getattr(config, section) if section else config, name, value)
        validate(config)
    assert "\n" not in str(caught.value)
