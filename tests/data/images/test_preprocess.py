"""Preprocessing as it is stored with the weights."""

import numpy as np

from jaxcnn.data.images.preprocess import Preprocess, decode_pixel_mean, encode_pixel_mean


def test_preprocessing_travels():
    mean = np.random.default_rng(0).uniform(0, 255, (17, 17, 3))
    before = Preprocess(
        17, 3, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.5), pixel_mean=encode_pixel_mean(mean)
    )
    assert Preprocess.from_dict(before.to_dict()) == before
    assert np.abs(decode_pixel_mean(before.pixel_mean) - mean).max() <= 1 / 512 + 1e-6
    assert np.array_equal(before.offset(), decode_pixel_mean(before.pixel_mean))
    older = {k: v for k, v in before.to_dict().items() if k not in ("frame", "pixel_mean")}
    assert Preprocess.from_dict(older).frame == "rectangle"
    grey = decode_pixel_mean(encode_pixel_mean(mean[..., :1]))
    assert grey.shape == (17, 17, 1) and np.abs(grey - mean[..., :1]).max() <= 1 / 512 + 1e-6
