"""TFDS directories, against TFDS's own reading of them, without TensorFlow."""

import io
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import DataError

ORIENTATION = 0x0112  # EXIF's tag


def test_tfds_splits_are_tfds_own(test_data):
    import tensorflow_datasets as tfds

    data = Data(name="mnist", data_dir=str(test_data))
    source = open_source(data, "train[10%:11%]+test[-5:]")
    expected = tfds.builder_from_directory(
        str(next((test_data / "mnist").iterdir()))
    ).as_data_source("train[10%:11%]+test[-5:]")
    assert len(source) == len(expected) == 605
    images, labels = resident_arrays(data, "train[10%:11%]+test[-5:]", Preprocess(28, 1))
    for i in (0, 1, 599, 600, 604):
        record = expected[i]
        assert labels[i] == record["label"] and np.array_equal(images[i], record["image"])


def test_tfds_colour_jpeg_and_names(test_data):
    imagenet = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "validation")
    assert default_eval_split(imagenet) == "validation"
    assert len(imagenet.class_names) == 1000
    assert len(imagenet) == 50
    example = imagenet[3]
    assert example.image[:2] == b"\xff\xd8"
    assert "validation record 3 (" in example.key
    assert ".JPEG" in example.key
    cifar = open_source(Data(name="cifar10:3.0.2", data_dir=str(test_data)), "test[:3]")
    assert cifar.class_names[:2] == ["airplane", "automobile"] and cifar.image_shape == (32, 32, 3)
    with pytest.raises(IndexError):
        cifar[3]


def test_imagenet_is_seen_as_it_is_stored(test_data):
    """Published figures ignore EXIF; one of these 200 photographs has orientation 6."""
    source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "train")
    photos = {e.key: Image.open(io.BytesIO(e.image)) for e in source}
    turned = [key for key, photo in photos.items() if photo.getexif().get(ORIENTATION, 1) > 1]
    assert len(turned) == 1 and not source.upright
    data = Data(name="imagenet2012", data_dir=str(test_data), batch_size=200)
    (batch,) = batches(data, "train", seed=0, preprocess=Preprocess(64), train=False)
    keys = [example.key for example in source]
    photo = photos[turned[0]].convert("RGB")
    short = min(photo.size)
    size = tuple(max(64, int(64 * side / short)) for side in photo.size)
    expected = np.asarray(photo.resize(size, Image.Resampling.BILINEAR))
    top, left = (round((side - 64) / 2) for side in expected.shape[:2])
    seen = batch["image"][keys.index(turned[0])].astype(int)
    assert np.abs(seen - expected[top : top + 64, left : left + 64]).max() <= 1
    assert open_source(Data(name="cifar10", data_dir=str(test_data)), "test[:1]").upright


def test_a_tfrecord_directory_names_the_converter(test_data, tmp_path):
    place = next((test_data / "mnist").iterdir())
    copy = tmp_path / "mnist" / place.name
    copy.mkdir(parents=True)
    for name in ("features.json", "dataset_info.json"):
        (copy / name).write_text((place / name).read_text().replace("array_record", "tfrecord"))
    with pytest.raises(DataError, match=r"in the format tfrecord.*jaxcnn prepare --source .*mnist"):
        open_source(Data(name="mnist", data_dir=str(tmp_path)), "train")


def test_no_tensorflow_is_imported(test_data, tmp_path):
    """Reading, an unknown name, an unknown split, beside a TensorFlow that may not be touched."""
    (tmp_path / "tensorflow.py").write_text("import os\nos._exit(77)")
    code = f"""
        from jaxcnn import data
        from jaxcnn.config import Data
        place = {str(test_data)!r}
        cifar10 = data.open_source(Data(name="cifar10", data_dir=place), "test[:5]")
        assert len(cifar10[4].image) > 100
        for name, split in (("cifarr10", "test"), ("cifar10", "tset"), ("svhn_cropped", "test")):
            try:
                data.open_source(Data(name=name, data_dir=place), split)
                raise SystemExit("no error")
            except data.DataError:
                pass
        print("fine")
    """
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stdout[-5:]) == (0, "fine\n"), done.stderr
