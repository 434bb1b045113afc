"""Preprocessing that a config leaves open: measured, ImageNet's, or given."""

import dataclasses
import os
import pickle

import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import IMAGENET_MEAN
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError
from jaxcnn.train.augment.batch import load_pca


class Code:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["mean.npy", "mean.npz"])
def test_code_in_a_mean_image_or_in_colour_axes_is_not_run(tmp_path, name):
    (tmp_path / "mean.npy").write_bytes(pickle.dumps(Code(tmp_path / "ran")))
    np.savez(
        tmp_path / "mean.npz", deviations=np.array([Code(tmp_path / "ran")], object), axes=np.eye(3)
    )
    with pytest.raises(DataError, match="cannot be read as a mean image"):
        resolve(Data(pixel_mean=str(tmp_path / name), image_size=20), (32, 32, 3), None)
    with pytest.raises(DataError, match="cannot be read as colour axes"):
        load_pca(str(tmp_path / name))
    assert not (tmp_path / "ran").exists()


def test_mean_and_deviation_are_measured_on_small_sets():
    data = Data(train_split="train[:500]", pad=2)
    preprocess = resolve(data, (12, 12, 1), open_source(data, "train[:500]"))
    images, _ = resident_arrays(data, "train[:500]", preprocess)
    assert preprocess.mean == pytest.approx((images.mean(dtype=np.float64),), abs=1e-4)
    assert preprocess.std == pytest.approx((images.std(dtype=np.float64),), abs=1e-4)
    assert preprocess.shape == (12, 12, 1) and images.shape == (500, 12, 12, 1)
    streamed = dataclasses.replace(data, resident="no")
    assert resolve(streamed, (12, 12, 1), open_source(data, "train[:500]")) == preprocess


def test_large_sets_get_imagenets_moments_and_given_ones_win(tmp_path):
    large = Data(resident_mib=0)
    assert resolve(large, (224, 224, 3), open_source(large, "train")).mean == IMAGENET_MEAN
    grey = resolve(large, (32, 32, 1), open_source(large, "train"))
    assert grey.mean == pytest.approx((117.03,), abs=0.01)
    given = resolve(Data(mean=(127.5,), std=(1.0, 2.0, 3.0), image_size=20), (32, 32, 3), None)
    assert given.mean == (127.5,) * 3 and given.std == (1.0, 2.0, 3.0) and given.image_size == 20
    np.save(tmp_path / "mean.npy", np.full((24, 26, 3), 99.5, np.float32))
    with_image = resolve(
        Data(pixel_mean=str(tmp_path / "mean.npy"), image_size=20, std=(1.0,)), (32, 32, 3), None
    )
    assert with_image.offset().shape == (20, 20, 3)
    assert with_image.offset().mean() == 99.5
    assert with_image.mean == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (dict(pad=16), "leaves no image"),
        (dict(mean=(1.0, 2.0)), "2 values for 3 channels"),
        (dict(std=(0.0,), mean=(0.0,)), "must be positive"),
        (dict(pixel_mean="nowhere.npy"), "is not a file"),
    ],
)
def test_preprocessing_that_cannot_work(fields, expected):
    with pytest.raises(DataError, match=expected):
        resolve(Data(**fields), (32, 32, 3), None)


def test_a_recipe_on_other_images_names_all_that_it_lacks(folder):
    """One message for the mean image and the split, which a paper's recipe sets for ImageNet."""
    (folder / "val").rename(folder / "holdout")
    data = Data(
        name="folder",
        data_dir=str(folder),
        eval_split="validation",
        pixel_mean="statistics/imagenet2012/mean_image.npy",
    )
    expected = (
        r"jaxcnn prepare --statistics \S+ --name folder --image-size 32 .*"
        r'--config.data.pixel_mean="", and set --config.data.eval_split to one of holdout, train'
    )
    with pytest.raises(DataError, match=expected):
        resolve(data, (32, 32, 3), open_source(data, "train"))


def test_a_recipe_on_a_folder_with_val_lacks_the_mean_image_alone(folder):
    data = Data(name="folder", data_dir=str(folder), eval_split="validation", pixel_mean="no.npy")
    with pytest.raises(DataError, match=r"no\.npy is not a file") as error:
        resolve(data, (32, 32, 3), open_source(data, "train"))
    assert "eval_split" not in str(error.value)


def test_the_frame_travels():
    assert resolve(Data(frame="warp"), (32, 32, 3), None).frame == "warp"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"augment": ("shift",), "shift": 20}, "data.shift=20 can move an image of 20 pixels"),
        ({"augment": ("distort",), "distort": (0.0, 0.0, 0.0, 50.0)}, r"data.distort\[3\]=50"),
    ],
)
def test_images_that_could_move_out_of_sight_are_one_sentence(change, sentence):
    with pytest.raises(DataError, match=sentence + ".* wholly out of sight; it must be below 20"):
        resolve(Data(image_size=20, **change), (32, 32, 1), None)
    resolve(Data(image_size=20, **change | {"augment": ()}), (32, 32, 1), None)  # it is not read
