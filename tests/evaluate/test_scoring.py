"""Every protocol scores every image once, and as the network alone does."""

import numpy as np
import pytest
from checkpoints import GREY, by_hand, softmax
from networks import build, run

from jaxcnn.data.images.views import to_pixels
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.evaluation import evaluate
from jaxcnn.evaluate.protocols import make_protocol
from jaxcnn.evaluate.scoring import count_classes

PROTOCOLS = (
    "center",
    "ten_crop",
    "multi_crop:144",
    "multi_crop:150",
    "dense@32",
    "multi_scale@32,36",
    "multi_scale:ten_crop",
)


def test_the_centre_crop_by_hand(digits, centre):
    expected, labels = by_hand(digits, GREY)
    predictions = centre.predictions
    np.testing.assert_allclose(predictions.probabilities, expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(predictions.labels, labels)
    assert centre.count == 11 and centre.views == 1
    assert predictions.keys[3].startswith("digits image ")
    assert centre.top1 == pytest.approx(np.mean(expected.argmax(axis=1) == labels))
    rows = zip(expected, labels, strict=True)
    in_five = [label in np.argsort(-row)[:5] for row, label in rows]
    assert centre.top5_error == pytest.approx(1 - np.mean(in_five))
    assert centre.loss == pytest.approx(-np.mean(np.log(expected[range(11), labels])), rel=1e-4)


@pytest.mark.parametrize("name", PROTOCOLS[1:])
def test_every_protocol_counts_every_digit_once(digits, centre, devices, name):
    result = evaluate(digits[0], protocol=name, devices=devices)
    assert result.count == 11 and result.confusion.sum() == 11
    assert result.views == make_protocol(name, GREY).views and result.shapes <= 2
    probabilities = result.predictions.probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert list(result.predictions.keys) == list(centre.predictions.keys)
    assert np.abs(probabilities - centre.predictions.probabilities).max() > 1e-4


def test_the_batch_size_changes_nothing(digits, devices):
    one, other = (
        evaluate(digits[0], protocol="ten_crop", batch_size=size, devices=devices).predictions
        for size in (3, 64)
    )
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_on_real_photographs_of_many_sizes(imagenet, devices, name):
    result = evaluate(imagenet[0], protocol=name, split="validation[:5]", devices=devices)
    predictions = result.predictions
    assert result.count == len(set(predictions.keys)) == 5 and result.corrupt == 0
    assert predictions.probabilities.shape == (5, 1000)
    assert np.isfinite(predictions.log_probabilities).all()
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-4)
    whole = name.startswith(("dense", "multi_scale@"))
    assert (1 < result.shapes <= 2 * 5) if whole else result.shapes == 1


def test_whole_photographs_of_several_shapes_by_hand(imagenet, devices):
    folder, model, variables = imagenet
    result = evaluate(folder, protocol="dense@32", split="validation[:5]", devices=devices)
    predictions, preprocess = result.predictions, result.predictions.preprocess
    protocol = make_protocol("dense@32", preprocess)
    for i in (0, 4):
        example = predictions.source[i]
        (view,) = protocol.host_views(to_pixels(example.image, 3, example.key), preprocess)
        shown = np.stack([view, view[:, ::-1]]).astype(np.float32)
        x = (shown - np.float32(preprocess.mean)) / np.float32(preprocess.std)
        logits = run(model.clone(class_map=True), variables, x).astype(np.float64)
        expected = softmax(logits.mean(axis=(1, 2))).mean(axis=0)
        np.testing.assert_allclose(predictions.probabilities[i], expected, rtol=1e-3, atol=1e-8)


def test_images_too_small_for_the_class_map_are_one_sentence():
    model, variables, _ = build("lenet5", (1, 32, 32, 1))
    said = r"protocol 'dense@28' does not fit the network: lenet5 .* smallest image .* is 32x32"
    with pytest.raises(ConfigError, match=said):
        count_classes(model, variables, GREY, make_protocol("dense@28", GREY))
    assert count_classes(model, variables, GREY, make_protocol("dense@32", GREY)) == 10
