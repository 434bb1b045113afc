"""Networks of random weights for the tests of pages: one of digits, one of colour images."""

import numpy as np
import pytest
from checkpoints import COLOUR, GREY, SPLIT, checkpoint
from networks import build
from PIL import Image

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.config.schema import Data

NAMES = [f"<b>${digit}$" for digit in range(10)]  # what a page must show as text


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """The directory of a `lenet` for the digits."""
    folder = tmp_path_factory.mktemp("digits") / "lenet"
    data = Data(eval_split=SPLIT, train_split="train[:40]")
    found, _, _ = checkpoint(folder, "lenet", preprocess=GREY, data=data)
    return found


@pytest.fixture(scope="session")
def colour(tmp_path_factory):
    """The directory of a `resnet20`, which has class activation maps and strange class names."""
    folder = tmp_path_factory.mktemp("colour") / "resnet20"
    _, variables, _ = build("resnet20", (1, *COLOUR.shape))
    metadata = {
        "model": "resnet20",
        "model_args": {},
        "preprocessing": COLOUR.to_dict(),
        "class_names": NAMES,
    }
    return save_variables(folder, variables, metadata)


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """A PNG of 61x90 colourful pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(coarse).resize((90, 61), Image.Resampling.BICUBIC).save(path)
    return path
