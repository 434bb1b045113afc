"""Folders of images and masks."""

import cv2
import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import decoded
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "classes.txt").write_text("background\ncat\n\n dog \n")
    for split, names in {"train": ["b", "a", "c"], "val": ["d"]}.items():
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number, name in enumerate(names):
            image = np.full((10, 12 + number, 3), 50 * number, np.uint8)
            mask = np.full((10, 12 + number), number, np.uint8)
            mask[0] = 255
            cv2.imwrite(str(tmp_path / split / "images" / f"{name}.jpg"), image)
            cv2.imwrite(str(tmp_path / split / "masks" / f"{name}.png"), mask)
    return tmp_path


def opened(root, split="train"):
    return open_source(Data(name="mask_folder", data_dir=str(root)), split)


def test_pairs_in_alphabetical_order(root):
    source = opened(root)
    assert source.class_names == ["background", "cat", "dog"]
    assert (len(source), len(opened(root, "validation")), source.splits["train"]) == (3, 1, 3)
    kept = decoded(Data(), source, Preprocess(16, frame="whole"))
    assert kept.images.shape == (3, 16, 16, 3)
    for label, (number, width) in zip(kept.labels, [(1, 13), (0, 12), (2, 14)], strict=True):
        expected = np.full((16, 16), 255, np.uint8)
        expected[1:10, :width] = number
        np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda r: (r / "train/masks/a.png").unlink(), "1 images of .*train have no mask, .*a.jpg"),
        (lambda r: (r / "classes.txt").unlink(), "classes.txt cannot be read .* one a line"),
        (lambda r: (r / "classes.txt").write_text("one"), "names 1 classes; expected 2 to 255"),
        (lambda r: (r / "train/masks").rename(r / "train/mask"), "masks is not a folder"),
    ],
)
def test_what_is_missing_is_one_sentence(root, harm, said):
    harm(root)
    with pytest.raises(DataError, match=said):
        opened(root)


def test_a_folder_without_pairs_says_what_is_expected(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no folder \*/images; expected ROOT/train/images"):
        opened(tmp_path)
    with pytest.raises(DataError, match=r'"mask_folder" needs data\.data_dir'):
        opened("")
