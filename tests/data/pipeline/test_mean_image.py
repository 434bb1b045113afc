"""The mean image that a run measures for itself."""

import dataclasses

import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import decode_pixel_mean
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def test_mean_image_measured_on_a_small_set():
    data = Data(name="digits", train_split="train[:50]", pixel_mean="measured")
    source = open_source(data, data.train_split)
    found = resolve(data, (8, 8, 1), source)
    expected = np.mean([source[i].image.astype(np.float64) for i in range(50)], axis=0)
    np.testing.assert_allclose(decode_pixel_mean(found.pixel_mean), expected, atol=1 / 500)
    expected = r"of at most data.resident_mib=0 MiB; for digits let jaxcnn prepare"
    with pytest.raises(DataError, match=expected):
        resolve(dataclasses.replace(data, resident_mib=0), (8, 8, 1), source)
