"""Images shrunk on the way into a dataset."""

import io

import cv2
import numpy as np
import pytest
from archives import jpeg
from photos import encode, picture, pillow
from PIL import Image

from jaxcnn.data.prepare.convert import Options, convert_image


def pixels_of(image):
    return cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_short_side_is_shrunk_and_small_images_stay():
    large, small = jpeg(1, 0, (300, 400)), jpeg(1, 0, (40, 60))
    options = Options(short_side=100, quality=95)
    shrunk = pixels_of(convert_image(large, "x", options))
    assert shrunk.shape == (100, 133, 3) and shrunk.mean() == pytest.approx(29.5, abs=1)
    assert convert_image(small, "x", options) is small
    grey = cv2.imencode(".png", np.full((200, 300), 7, np.uint8))[1].tobytes()
    assert pixels_of(convert_image(grey, "x", options)).shape == (100, 150)


def test_shrunk_images_are_turned_unless_they_are_wanted_as_stored():
    image = encode(picture(80, 120), orientation=6)
    for upright, shape in ((True, (60, 40)), (False, (40, 60))):
        shrunk = convert_image(image, "x", Options(short_side=40, quality=100, upright=upright))
        photo = Image.open(io.BytesIO(shrunk))
        assert photo.size[::-1] == shape and not photo.getexif()
        expected = pillow(image) if upright else np.asarray(Image.open(io.BytesIO(image)))
        means = expected.reshape(shape[0], 2, shape[1], 2, 3).mean(axis=(1, 3))
        assert np.abs(np.asarray(photo).astype(float) - means).mean() < 2
