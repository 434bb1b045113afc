"""The pipeline's speed is told with what it ran on."""

import os

import pytest

from jaxcnn.config.schema import Data
from jaxcnn.errors import DataError
from jaxcnn.measure.pipeline import compare, pipeline_speed


def test_threads_are_those_that_this_process_may_use():
    data = Data(name="digits", batch_size=8, resident="no")
    row = pipeline_speed(data, seconds=0.1, image_size=32)
    assert row["img_s"] > 0 and row["threads"] == len(os.sched_getaffinity(0))
    assert pipeline_speed(Data(threads=1), seconds=0.1, image_size=32)["threads"] == 1


def test_the_comparison_needs_jpegs():
    with pytest.raises(DataError, match="holds no JPEG files among its first 250"):
        compare(Data(name="digits"))
