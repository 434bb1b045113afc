"""Evaluation of segmentation runs: counts against loops, bands, the command."""

import json

import numpy as np
import pytest
from checkpoints import checkpoint, script
from networks import run

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate import evaluate
from jaxcnn.evaluate.classify import classify
from jaxcnn.evaluate.segmentation import confusion_of, evaluate_segmentation, near_boundaries

PREPROCESS = Preprocess(64, mean=(110.0,) * 3, std=(60.0,) * 3)
SPLIT = "test[:5]"


@pytest.fixture(scope="module")
def member(tmp_path_factory):
    """(directory, model, variables) of random weights for the shapes."""
    data = Data(name="shapes", batch_size=2, eval_split=SPLIT)
    return checkpoint(
        tmp_path_factory.mktemp("fcn") / "weights",
        "fcn32s_small",
        preprocess=PREPROCESS,
        data=data,
        class_names=["background", "circle", "square", "triangle"],
    )


def by_hand(classes, band):
    """`near_boundaries` by a loop over pixels and their neighbourhoods."""
    found = np.zeros(classes.shape, bool)
    for y, x in np.ndindex(classes.shape):
        rows, columns = slice(max(0, y - band), y + band + 1), slice(max(0, x - band), x + band + 1)
        around = classes[rows, columns]
        found[y, x] = classes[y, x] != 255 and np.any((around != classes[y, x]) & (around != 255))
    return found


@pytest.mark.parametrize("band", [1, 3])
def test_bands_lie_around_boundaries(band):
    rng = np.random.default_rng(0)
    classes = np.repeat(np.repeat(rng.integers(0, 4, (4, 5)), 6, axis=0), 7, axis=1)
    classes = np.where(classes == 3, 255, classes).astype(np.uint8)
    np.testing.assert_array_equal(near_boundaries(classes, band), by_hand(classes, band))


def test_counts_against_the_network_by_hand(member):
    directory, model, variables = member
    found = evaluate_segmentation(directory, bands=(2,))
    source = open_source(Data(name="shapes"), SPLIT)
    images = np.stack([e.image for e in source.fetch(range(5))]).astype(np.float32)
    predicted = run(model, variables, (images - 110) / 60).argmax(-1)
    expected, near = np.zeros((4, 4)), np.zeros((4, 4))
    for example, guess in zip(source.fetch(range(5)), predicted, strict=True):
        np.add.at(expected, (example.label, guess), 1)
        band = by_hand(example.label, 2)
        np.add.at(near, (example.label[band], guess[band]), 1)
    np.testing.assert_array_equal(found.confusion, expected)
    assert (found.count, found.corrupt, found.model) == (5, 0, "fcn32s_small")
    assert found.bands[2].pixel_accuracy == pytest.approx(np.trace(near) / near.sum())


def test_void_counts_nowhere():
    truth = np.array([[0, 255], [1, 1]], np.uint8)
    counts = confusion_of(truth, np.array([[0, 1], [1, 0]]), 2)
    np.testing.assert_array_equal(counts, [[1, 0], [1, 1]])


def test_the_command(member, capsys):
    command = script("evaluate_segmentation")
    assert command.main(["--workdir", str(member[0]), "--json", "--bands", "1"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["count"] == 5 and 0 <= said["mean_iu"] <= 1 and list(said["bands"]) == ["1"]
    assert command.main(["--workdir", str(member[0])]) == 0
    assert "within 4 px of a boundary" in capsys.readouterr().out


def test_each_command_names_the_other(member, capsys):
    with pytest.raises(ConfigError, match=r"evaluate it with jaxcnn evaluate-segmentation"):
        evaluate(member[0])
    with pytest.raises(DataError, match=r"evaluate it with jaxcnn evaluate --workdir"):
        evaluate_segmentation(member[0], dataset="digits")


def test_what_asks_for_the_class_of_an_image_is_one_sentence(member):
    sentence = "FCN gives a class for every pixel and none for the image"
    with pytest.raises(ConfigError, match=sentence):
        evaluate(member[0], dataset="digits")
    with pytest.raises(ConfigError, match=sentence):
        classify(member[0], ["photo.jpg"])
