"""Where the places of a slid classifier lie in the image."""

import pytest

from jaxcnn.interpret.pictures.heatmap import extent


def test_a_classifier_of_one_place_covers_the_middles_of_its_windows():
    """224 pixels seen in steps of 32 over 320: windows at 0, 32, 64, 96, middles 112 to 208."""
    start, length = extent(320, places=4, side=224, native=1)
    assert (start, length) == (112 - 16, 4 * 32)


@pytest.mark.parametrize("length, places", [(224, 7), (448, 14), (256, 8)])
def test_a_map_before_global_pooling_covers_the_whole_image(length, places):
    assert extent(length, places=places, side=224, native=7) == (0.0, length)
