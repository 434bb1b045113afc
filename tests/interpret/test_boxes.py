"""Boxes around the largest bright region of a map."""

import numpy as np
import pytest
from scipy.ndimage import find_objects, label

from jaxcnn.interpret.boxes import box_of_map, intersection_over_union, localisation_error


def test_the_box_surrounds_the_largest_region_above_a_fifth_of_the_maximum():
    rng = np.random.default_rng(0)
    for _ in range(20):
        heat = rng.uniform(-1, 1, (9, 12)).astype(np.float32)
        regions, count = label(heat >= 0.2 * heat.max())  # 4-neighbours
        sizes = np.bincount(regions.ravel())[1:]
        rows, columns = find_objects(regions)[int(sizes.argmax())]
        expected = (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        if (sizes == sizes.max()).sum() == 1:
            assert count and box_of_map(heat) == expected


def test_what_the_network_does_not_see_is_not_in_the_box():
    heat = np.full((6, 6), np.nan, np.float32)
    heat[2:4, 1:5] = 1.0
    assert box_of_map(heat) == (2, 1, 2, 4)
    assert box_of_map(-np.ones((3, 3))) is None


def test_overlap_and_error():
    assert intersection_over_union((0, 0, 4, 4), (2, 0, 4, 4)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 2, 2), (5, 5, 1, 1)) == 0.0
    found = [(0, 0, 4, 4), (0, 0, 4, 4), None, (1, 1, 2, 2)]
    truth = [[(0, 0, 4, 4)], [(2, 0, 4, 4)], [(0, 0, 1, 1)], [(9, 9, 1, 1), (1, 1, 2, 3)]]
    assert localisation_error(found, truth) == 0.5
