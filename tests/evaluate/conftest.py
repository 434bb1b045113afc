"""Checkpoints that several files of this folder evaluate, each on a few images."""

import dataclasses

import jax
import pytest
from checkpoints import COLOUR, GREY, checkpoint

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import open_source
from jaxcnn.evaluate.evaluation import evaluate


@pytest.fixture(scope="session")
def devices():
    """Two of the eight: eight threads of two cores only slow these tests down."""
    return jax.devices()[:2]


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """(directory, model, variables) of a LeNet on the digits, evaluated on 11 of them."""
    folder = tmp_path_factory.mktemp("lenet") / "w"
    return checkpoint(folder, "lenet", preprocess=GREY, data=Data(batch_size=8, threads=2))


@pytest.fixture(scope="session")
def colour(tmp_path_factory):
    """The same of another family, which sees the digits in colour and cut out smaller."""
    folder = tmp_path_factory.mktemp("cuda_convnet") / "w"
    data = Data(batch_size=6, threads=2)
    return checkpoint(folder, "cuda_convnet", preprocess=COLOUR, data=data)


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory, test_data):
    """A LeNet in colour with ImageNet's classes."""
    data = Data(name="imagenet2012", data_dir=str(test_data), batch_size=8, threads=2)
    return checkpoint(
        tmp_path_factory.mktemp("imagenet") / "w",
        "lenet",
        preprocess=dataclasses.replace(COLOUR, interpolation="bilinear"),
        data=data,
        class_names=open_source(data, "validation").class_names,
    )


@pytest.fixture(scope="session")
def centre(digits, devices):
    """The evaluation of `digits` by centre crops."""
    return evaluate(digits[0], devices=devices)
