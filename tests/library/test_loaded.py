"""`jaxcnn.load`: what it gives agrees with the evaluation's own prediction."""

import jax
import numpy as np
import pytest
from checkpoints import GREY, checkpoint
from PIL import Image

import jaxcnn
from jaxcnn.config.schema import Data
from jaxcnn.data.sources.digits import Digits
from jaxcnn.errors import CheckpointError, DataError
from jaxcnn.evaluate.classify import classify


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loaded")
    checkpoint(folder / "run", "lenet", preprocess=GREY, data=Data())
    source = Digits("test[:5]")
    for number in range(5):
        Image.fromarray(source[number].image[..., 0]).save(folder / f"{number}.png")
    return folder


def test_predictions_are_those_of_the_evaluation(digits):
    network = jaxcnn.load(digits / "run")
    assert network.class_names == [str(digit) for digit in range(10)]
    assert network.metadata["model"] == "lenet" and network.preprocess == GREY
    paths = [digits / f"{number}.png" for number in range(5)]
    expected = classify(digits / "run", paths).probabilities
    np.testing.assert_allclose(network.predict(paths), expected, rtol=1e-5, atol=1e-6)
    one = network.predict(Image.open(paths[3]))
    np.testing.assert_allclose(one, expected[3:4], rtol=1e-5, atol=1e-6)


def test_batches_of_any_size_give_the_same_rows(digits):
    network = jaxcnn.load(str(digits / "run"))
    pixels = np.stack([Digits("test")[i].image for i in range(40)])  # [40, 8, 8, 1]
    together = network.predict(pixels)
    assert together.shape == (40, 10)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        network.predict(pixels[33:36]), together[33:36], rtol=1e-4, atol=1e-6
    )


def test_the_most_probable_classes_in_order(digits):
    network = jaxcnn.load(digits / "run")
    probabilities = network.predict(digits / "0.png")[0]
    (found,) = network.top(digits / "0.png", 3)
    assert [name for name, _ in found] == [str(k) for k in np.argsort(-probabilities)[:3]]
    assert found[0][1] == pytest.approx(probabilities.max())


def test_its_parts_work_by_hand(digits):
    network = jaxcnn.load(digits / "run")
    inputs = network.transform(digits / "0.png")
    logits = network.model.apply(network.variables, inputs, train=False)
    np.testing.assert_allclose(
        jax.nn.softmax(logits), network.predict(digits / "0.png"), rtol=1e-5, atol=1e-6
    )


def test_what_is_no_checkpoint_or_image_is_one_sentence(digits, tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        jaxcnn.load(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        jaxcnn.load(digits / "run").predict("none.png")
