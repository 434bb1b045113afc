"""Label maps as colours."""

import cv2
import numpy as np
import pytest

from jaxcnn.draw.segments import edges, legend, overlay, palette, panels
from jaxcnn.errors import DataError


def test_colours_are_vocs():
    # background, aeroplane, bicycle, bird, cat, tvmonitor, void
    published = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        8: (64, 0, 0),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    for number, colour in published.items():
        assert tuple(palette()[number]) == colour
    assert len({tuple(c) for c in palette()}) == 256


def test_background_stays_and_classes_are_painted():
    image, classes = np.full((8, 10, 1), 100, np.uint8), np.zeros((8, 10), int)
    classes[2:5, 3:6] = 2
    painted = overlay(image, classes, strength=0.5)
    assert np.all(painted[classes == 0] == 100)
    assert np.all(painted[classes == 2] == (50, 114, 50))
    found = np.zeros((8, 10), bool)
    found[2:5, (2, 5)] = True
    found[(1, 4), 3:6] = True
    np.testing.assert_array_equal(edges(classes), found)


def test_colours_are_the_legends_also_on_a_colourful_image():
    image = np.full((4, 4, 3), (20, 30, 250), np.uint8)
    painted = overlay(image, np.full((4, 4), 3), strength=0.5)  # olive on blue
    red, green, blue = painted[0, 0].astype(int)
    assert red == green and red - blue == 64
    np.testing.assert_array_equal(overlay(image, np.zeros((4, 4), int)), image)


def test_a_legend_has_a_square_for_each_class(tmp_path):
    drawn = legend([1, 2, 255], ["background", "cat", "dog"], 300)
    for number in (1, 2, 255):
        assert np.sum(np.all(drawn == palette()[number], axis=-1)) > 100
    picture = np.zeros((20, 30, 3), np.uint8)
    path = panels([("a", picture), ("b", picture)], [1], ["x", "y"], tmp_path / "p.png", side=60)
    read = cv2.imread(str(path))
    assert read.shape[1] == 2 * 66 and read.shape[0] > 60
    with pytest.raises(DataError, match="cannot be written"):
        panels([("a", picture)], [0], ["x"], tmp_path / "none" / "p.png")
