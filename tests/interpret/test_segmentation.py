"""Segmented pictures: the network's own classes, in the pixels of the picture."""

import cv2
import numpy as np
import pytest
from networks import build

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.interpret.segmentation import (
    Network,
    figure4,
    mask_beside,
    segment,
    segment_images,
)

NAMES = ["background", "circle", "square", "triangle"]


@pytest.fixture(scope="module")
def network():
    model, variables, _ = build("fcn8s_small", (1, 64, 64, 3))
    preprocess = Preprocess(64, frame="whole", mean=(100.0,) * 3, std=(60.0,) * 3)
    return Network(model, variables, preprocess)


def picture(height=40, width=60):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_a_picture_that_fits_is_seen_as_it_is(network):
    pixels = picture()
    inputs = (pixels[None].astype(np.float32) - 100) / 60
    scores = network.model.apply(network.variables, inputs)[0]
    np.testing.assert_array_equal(segment(network, pixels), np.asarray(scores).argmax(-1))


def test_a_larger_one_comes_back_in_its_own_size(network):
    classes = segment(network, picture(90, 130))
    assert classes.shape == (90, 130) and classes.dtype == np.uint8


def test_pictures_and_numbers_are_written(network, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture())
    done = []
    written = segment_images(
        network, NAMES, [tmp_path / "a.png"], tmp_path / "out", lambda *x: done.append(x)
    )
    assert [p.name for p in written] == ["a_segments.png"] and done == [(1, 1)]
    kept = np.load(tmp_path / "out" / "a_segments.npz")
    assert kept["classes"].shape == (40, 60) and list(kept["names"]) == NAMES
    assert cv2.imread(str(written[0])) is not None
    with pytest.raises(DataError, match="cannot be read"):
        segment_images(network, NAMES, [tmp_path / "b.png"], tmp_path / "out")


def test_figure_4_has_a_column_for_each(network, tmp_path):
    truth = np.zeros((40, 60), np.uint8)
    path = figure4({"FCN-8s": network}, NAMES, picture(), tmp_path / "4.png", truth=truth)
    assert cv2.imread(str(path)).shape[1] == 3 * (360 + 6)


def test_a_classifier_is_refused():
    model, variables, _ = build("lenet", (1, 32, 32, 1))
    classifier = Network(model, variables, Preprocess(32, 1, mean=(0.0,), std=(1.0,)))
    with pytest.raises(ConfigError, match="gives no class a pixel"):
        segment(classifier, np.zeros((32, 32, 1), np.uint8))


def test_a_mask_lies_beside_the_images(tmp_path):
    for folder, name in (("images", "a.jpg"), ("masks", "a.png")):
        (tmp_path / "val" / folder).mkdir(parents=True)
        (tmp_path / "val" / folder / name).write_bytes(folder.encode())
    assert mask_beside(tmp_path / "val" / "images" / "a.jpg") == b"masks"
    assert mask_beside(tmp_path / "val" / "images" / "b.jpg") is None
    assert mask_beside(tmp_path / "val" / "masks" / "a.png") is None
