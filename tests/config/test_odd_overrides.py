"""Whatever is typed behind --config.FIELD= is accepted, or is one sentence; never a traceback."""

import dataclasses
import random

import pytest
from places import REPOSITORY

from jaxcnn.config import schema
from jaxcnn.config.validation import validate
from jaxcnn.errors import JaxcnnError
from jaxcnn.run.command import command
from jaxcnn.train.schedules import check_length, make_schedule, total_steps

# What cannot mean anything, and what the sentence says of it.
REFUSED = {
    "data.mean=('a',)": "numbers in brackets",
    "data.std=('a',)": "numbers in brackets",
    "data.std=(1e-300,)": "0.001",
    "data.pixel_mean=" + 300 * "a": "at most 255 letters",
    "optim.layer_rates=(1,)": "LAYER: MULTIPLE",
    "optim.layer_rates=('*=0',)": "every layer",
    "frozen=('*',)": "every layer",
    "data.erase=1e30": "[0, 1]",
    "data.shift=100000": "[0, 16384]",
    "data.distort=(12,0.5,1,1e9)": "1000000000.0 in it",
    "data.resize=(64,1000000000)": "16384",
    "data.area=(1e-12,1e-12)": "0.0001",
    "data.aspect=(1,2)": "config.data.area",
    "data.pca=axes.npz": "pca_color",
    "data.randaugment=(2,100)": "[0, 30]",
    "data.image_size=100000": "16384",
    "data.image_size=99999999999": "16384",
    "data.batch_size=9999999999999": "1048576",
    "data.threads=99999999999": "4096",
    "data.prefetch=99999999999": "256",
    "keep=99999999999": "10000",
    "stall_seconds=0.001": "be 0 or lie in [1,",
    "optim.learning_rate=1e-400": "[1e-09, 1000000]",
    "optim.floor=1e30": "[0, 1]",
    "optim.power=0": "[0.01, 100]",
    "optim.factor=1e30": "1000",
    "optim.every=1e-30": "0.0001",
    "optim.bias_rate=1e20": "1000",
    "optim.warmup=1e9": "1000000",
    "optim.steps=99999999999999999999": "2147483647",
    "optim.epochs=0": "how long to train",
}
ODD = (
    "-1", "0", "1", "0.5", "1e30", "1e-30", "-1e300", "99999999999", "99999999999999999999", "nan",
    "inf", "", "a", "(1,)", "(1,2)", "(1,2,3,4)", "('a',)", "(1e300,)", "()", "True", "None",
    300 * "a", "x\0y", "{}", "('*',)", "{'a': 'b'}", "a=1", "[[1]]",
)  # fmt: skip


def asked(*overrides):
    """The config that configs/lenet.py and the overrides make, checked as a run checks it."""
    named = f"--config={REPOSITORY}/configs/lenet.py:lenet"
    argv = ["main", named, "--workdir=w", *(f"--config.{text}" for text in overrides)]
    return validate(command(argv).config)


def settings(section, where=""):
    """The paths of all settings."""
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{where}{field.name}.")
        else:
            yield f"{where}{field.name}"


@pytest.mark.parametrize("override", REFUSED)
def test_what_cannot_be_meant_is_refused_with_what_can(override):
    with pytest.raises(JaxcnnError) as caught:
        asked(override)
    said = str(caught.value)
    assert REFUSED[override] in said and "\n" not in said and len(said) < 500, said
    assert f"config.{override.split('=')[0].split('[')[0]}" in said


def test_odd_overrides_are_accepted_or_one_sentence():
    """A sample of all settings with all odd values; a schedule is made of what is accepted."""
    every = [f"{path}={odd}" for path in settings(schema.Config()) for odd in ODD]
    refused = 0
    for override in random.Random(0).sample(every, 400):
        try:
            optim = asked(override).optim
            check_length(optim, 22.5)
            assert make_schedule(optim, 22.5)(total_steps(optim, 22.5)).shape == ()
        except JaxcnnError as error:
            refused += 1
            assert "\n" not in str(error) and 10 < len(str(error)) < 1000, override
    assert 200 < refused < 400


def test_a_run_of_more_steps_than_can_be_counted_is_one_sentence():
    optim = asked("optim.epochs=999999").optim
    with pytest.raises(JaxcnnError, match=r"10,009,989,990 steps .* at most 2,147,483,647"):
        check_length(optim, 10_010.0)
