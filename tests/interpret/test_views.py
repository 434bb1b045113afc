"""Maps go back to the pixels that the network saw: checked with an image of its own coordinates."""

import dataclasses

import numpy as np
import pytest

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.protocols import make_protocol
from jaxcnn.interpret.views import place, placed_mean, ten_crop, view_box, views_of

PREPROCESS = Preprocess(image_size=40, crop_fraction=0.8, mean=(0.0,) * 3, std=(1.0,) * 3)


def gradient(height, width):
    """An image whose red grows downwards and whose green grows to the right, over 0 to 250."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.round(np.linspace(0, 250, height))[:, None]
    image[..., 1] = np.round(np.linspace(0, 250, width))[None, :]
    return image


@pytest.mark.parametrize("frame", ["rectangle", "square", "warp"])
@pytest.mark.parametrize("pad", [0, 3])
@pytest.mark.parametrize("size", [(90, 130), (150, 64), (40, 40), (70, 1400)])
def test_what_the_network_sees_is_placed_where_it_was(frame, pad, size):
    preprocess = dataclasses.replace(PREPROCESS, frame=frame, pad=pad)
    image = gradient(*size)
    view = eval_view(image, preprocess).astype(np.float32)
    top, left, height, width = view_box(size, preprocess)
    assert height <= size[0] + 1e-6 and width <= size[1] + 1e-6
    for channel in (0, 1):
        placed = place(view[..., channel], size, preprocess)
        seen = np.isfinite(placed)
        rows, columns = np.nonzero(seen)
        assert seen.mean() > 0.005 and rows.min() >= top - 1 and columns.min() >= left - 1
        # Two grey levels of rounding, and the slope over half a pixel of the network's input.
        slope = 250 / size[channel] * (height, width)[channel] / preprocess.inner
        assert np.abs(placed - image[..., channel])[seen].max() <= 2 + slope


@pytest.mark.parametrize("frame", ["rectangle", "square", "warp"])
def test_ten_crops_are_the_protocols_and_come_back(frame):
    preprocess = dataclasses.replace(PREPROCESS, frame=frame)
    image = gradient(90, 130)
    views = ten_crop(image, preprocess)
    expected = make_protocol("ten_crop", preprocess).host_views(image, preprocess)
    for place_, pixels in enumerate(expected):
        np.testing.assert_array_equal(views[2 * place_].pixels, pixels)
        np.testing.assert_array_equal(views[2 * place_ + 1].pixels, pixels[:, ::-1])
    mean = placed_mean(
        [view.pixels[..., 1].astype(np.float32) for view in views], views, (90, 130), preprocess
    )
    seen = np.isfinite(mean)
    assert 0.4 < seen.mean() <= 1.0
    assert np.abs(mean - image[..., 1])[seen].max() <= 2 + 250 / 50


def test_views_that_there_are_not():
    with pytest.raises(ConfigError, match="center, ten_crop"):
        views_of("dense", gradient(50, 50), PREPROCESS)
