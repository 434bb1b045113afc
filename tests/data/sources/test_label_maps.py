"""Masks of TFDS datasets: a directory of the form of oxford_iiit_pet."""

import io

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import decoded
from jaxcnn.data.prepare.examples import make_example
from jaxcnn.data.prepare.journal import Shard
from jaxcnn.data.prepare.metadata import image_features, write_metadata
from jaxcnn.data.prepare.write import WRITER
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def png(array):
    written = io.BytesIO()
    Image.fromarray(array).save(written, "PNG")
    return written.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three pets: pixels of value 1 (pet), 2 (background) and 3 (border) in columns."""
    place = tmp_path_factory.mktemp("tfds") / "oxford_iiit_pet" / "4.0.0"
    place.mkdir(parents=True)
    file = "oxford_iiit_pet-train.array_record-00000-of-00001"
    writer = ArrayRecordWriter(str(place / file), WRITER)
    for number in range(3):
        mask = np.tile(np.array([1, 1, 2, 3], np.uint8), (4, 1))
        fields = {
            "file_name": b"%d.jpg" % number,
            "image": png(np.full((4, 4, 3), 50 * number, np.uint8)),
            "label": number % 2,
            "segmentation_mask": png(mask),
        }
        writer.write(make_example(fields))
    writer.close()
    features = image_features(["cat", "dog"], jpeg=False)
    mask = {
        "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
        "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "1"]}},
    }
    features["featuresDict"]["features"]["segmentation_mask"] = mask
    shards = [Shard(file, "train", 3, (place / file).stat().st_size, "0", [])]
    write_metadata(place, shards, features, class_names=["cat", "dog"])
    return place.parent.parent


def test_the_mask_or_the_class_is_the_label(root):
    data = Data(name="oxford_iiit_pet", data_dir=str(root), label="segmentation_mask")
    source = open_source(data, "train")
    assert source.maps and source.class_names == ["background", "pet"]
    kept = decoded(data, source, Preprocess(4))
    assert kept.labels.shape == (3, 4, 4)
    np.testing.assert_array_equal(kept.labels[:, 0], [[1, 1, 0, 255]] * 3)
    data.label = ""
    source = open_source(data, "train")
    assert not source.maps and [example.label for example in source] == [0, 1, 0]


def test_a_feature_that_is_no_known_map_is_one_sentence(root):
    data = Data(name="oxford_iiit_pet", data_dir=str(root), label="species")
    with pytest.raises(DataError, match=r"there is segmentation_mask of oxford_iiit_pet: set"):
        open_source(data, "train")
