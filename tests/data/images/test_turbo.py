"""Regions of JPEGs by libjpeg-turbo's own interface against whole images by OpenCV."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import encode, picture, pillow

from jaxcnn.config.schema import Data
from jaxcnn.data.images.boxes import random_area
from jaxcnn.data.images.decode import decode, decode_region
from jaxcnn.data.sources.open import open_source


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    subsampling=st.sampled_from([0, 1, 2]),
    channels=st.sampled_from([1, 3]),
    progressive=st.booleans(),
)
def test_a_region_is_what_the_whole_image_has_there(data, subsampling, channels, progressive):
    image = encode(
        picture(73, 131, seed=1), subsampling=subsampling, progressive=progressive, quality=80
    )
    height, width = data.draw(st.integers(1, 73)), data.draw(st.integers(1, 131))
    top, left = data.draw(st.integers(0, 73 - height)), data.draw(st.integers(0, 131 - width))
    region = decode_region(image, lambda size: (top, left, height, width), channels)
    whole = decode(image, channels, use_turbo=False)
    assert np.array_equal(region, whole[top : top + height, left : left + width])


def test_real_files_decode_alike_by_region_and_whole(test_data):
    """And alike without the library, so that a run does not depend on what is installed."""
    source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "train[:40]")

    def cut(size):
        return random_area(size, (0.08, 1.0), (0.75, 4 / 3), np.random.default_rng(size))

    for example in source:
        for channels, use_turbo in itertools.product((1, 3), (True, False)):
            whole = decode(example.image, channels, use_turbo=use_turbo)
            region = decode_region(example.image, cut, channels, use_turbo=not use_turbo)
            top, left, height, width = cut(whole.shape[:2])
            expected = whole[top : top + height, left : left + width]
            assert np.array_equal(region, expected), example.key
        assert np.abs(whole.astype(int) - pillow(example.image)).max() <= 1, example.key
