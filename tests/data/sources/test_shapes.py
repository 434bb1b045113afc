"""The generated shapes."""

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline import stream
from jaxcnn.data.pipeline.resident import decoded
from jaxcnn.data.sources.open import default_eval_split, open_source


def test_pictures_repeat_and_have_every_class():
    source = open_source(Data(name="shapes"), "train[:50]")
    assert (len(source), source.splits) == (50, {"train": 2000, "test": 400})
    assert default_eval_split(source) == "test" and source.maps
    image, labels, key = source[3]
    assert image.shape == (64, 64, 3) and labels.shape == (64, 64) and key == "shapes train image 3"
    again = open_source(Data(name="shapes"), "train[3:4]")[0]
    np.testing.assert_array_equal(again.image, image)
    np.testing.assert_array_equal(again.label, labels)
    counts = np.bincount(np.concatenate([e.label.ravel() for e in source.fetch(range(50))]))
    assert len(counts) == 4 and counts.min() > 2000 and counts[0] > counts[1:].sum()
    other = open_source(Data(name="shapes"), "test")[3]
    assert np.any(other.image != image)


def test_a_shape_is_where_its_colour_is():
    """Within a class the colours differ less from the shape's mean than from the background's."""
    source = open_source(Data(name="shapes"), "train[:20]")
    for image, labels, _ in source.fetch(range(20)):
        if len(np.unique(labels)) == 2:
            inside, outside = image[labels > 0].astype(float), image[labels == 0].astype(float)
            assert np.linalg.norm(outside.std(axis=0)) < 25
            assert np.linalg.norm(inside.mean(axis=0) - outside.mean(axis=0)) > 5


def test_streamed_batches_are_the_resident_ones():
    data = Data(name="shapes", batch_size=8, resident="no", threads=2)
    preprocess = Preprocess(64)
    source = open_source(data, "test[:13]")
    kept = decoded(data, source, preprocess)
    assert kept.labels.shape == (13, 64, 64) and kept.labels.dtype == np.uint8
    batches = stream.batches(
        data, "test[:13]", seed=0, preprocess=preprocess, train=False, source=source
    )
    first, last = batches
    np.testing.assert_array_equal(np.concatenate([first["label"], last["label"][:5]]), kept.labels)
    np.testing.assert_array_equal(np.concatenate([first["image"], last["image"][:5]]), kept.images)
    assert np.all(last["label"][5:] == 255) and last["mask"].tolist() == [1.0] * 5 + [0.0] * 3
    training = next(stream.batches(data, "train[:20]", seed=0, preprocess=preprocess))
    shapes = open_source(data, "train[:20]")
    for row, index in enumerate(training["index"]):
        np.testing.assert_array_equal(training["label"][row], shapes[int(index)].label)
