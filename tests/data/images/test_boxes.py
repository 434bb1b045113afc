"""Boxes of crops: inside the image, and spread as the papers say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxcnn.data.images.boxes import central_square, random_area, random_scale


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
def test_boxes_lie_inside_and_keep_their_ranges(height, width, seed):
    top, left, h, w = random_area(
        (height, width), (0.08, 1.0), (0.75, 4 / 3), np.random.default_rng(seed)
    )
    assert min(top, left) >= 0 and min(h, w) >= 1 and top + h <= height and left + w <= width
    if min(height, width) > 100 and 0.75 < width / height < 4 / 3:
        assert 0.078 <= h * w / (height * width) <= 1 and 0.74 <= w / h <= 1.35
    top, left, h, w = random_scale((height, width), (256, 512), 224, np.random.default_rng(seed))
    assert h == w and 0 <= top <= height - h and 0 <= left <= width - w
    assert 224 / 512 * min(height, width) - 1 <= h <= 224 / 256 * min(height, width) + 1


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
def test_a_square_frame_keeps_boxes_inside_the_central_square(height, width, seed):
    rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
    top, left, h, w = random_scale((height, width), (256, 512), 224, rng, frame="square")
    side = min(height, width)
    assert central_square((height, width))[2:] == (side, side)
    assert abs(top + h / 2 - height / 2) <= (side - h) / 2 + 0.5
    assert abs(left + w / 2 - width / 2) <= (side - w) / 2 + 0.5
    # In a square image the two frames are the same.
    assert random_scale((side, side), (256, 512), 224, again, frame="rectangle")[2] == h == w


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
def test_a_warped_frame_gives_boxes_of_the_images_shape(height, width, seed):
    """Caffe resizes to 256 x 256 and cuts 227 x 227: the box is 227 / 256 of either side."""
    rng = np.random.default_rng(seed)
    top, left, h, w = random_scale((height, width), (256, 256), 227, rng, frame="warp")
    assert min(top, left) >= 0 and top + h <= height and left + w <= width
    assert h == max(1, round(height * 227 / 256)) and w == max(1, round(width * 227 / 256))


def near(values, *, mean, variance, abs):
    """Whether the draws have this mean within `abs`, and this variance within 6 %."""
    if values.var() != pytest.approx(variance, rel=0.06):
        return False
    return values.mean() == pytest.approx(mean, abs=abs)


def test_boxes_are_spread_as_the_papers_say():
    rng = np.random.default_rng(0)
    size = (1000, 1000)
    boxes = np.array([random_area(size, (0.08, 0.5), (0.75, 4 / 3), rng) for _ in range(4000)])
    area = boxes[:, 2] * boxes[:, 3] / 1e6
    assert near(area, mean=0.29, variance=0.42**2 / 12, abs=0.006)
    shape = np.log(boxes[:, 3] / boxes[:, 2])
    assert near(shape, mean=0, variance=(2 * math.log(4 / 3)) ** 2 / 12, abs=0.01)
    place = boxes[:, 0] / (1000 - boxes[:, 2])
    assert near(place, mean=0.5, variance=1 / 12, abs=0.02)
    sides = np.array([random_scale(size, (256, 512), 224, rng)[2] for _ in range(4000)])
    assert near(224 * 1000 / sides, mean=384, variance=(257**2 - 1) / 12, abs=5)
