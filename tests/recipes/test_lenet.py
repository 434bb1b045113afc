"""LeNet's recipes against section II-B: the pixels' scale."""

import numpy as np
import pytest
from recipe_files import config_of

from jaxcnn.data.pipeline.resolve import resolve


@pytest.mark.parametrize("variant", ["lenet5", "lenet5-mnist", "lenet5-mnist-distort"])
def test_lenet5_sees_the_papers_pixels(variant):
    """The background, 0, is -0.1 and the foreground, 255, is 1.175."""
    config = config_of(f"lenet:{variant}")
    found = resolve(config.data, (32, 32, 1), None)
    ends = (np.array([0.0, 255.0]) - found.mean) / found.std
    assert ends == pytest.approx([-0.1, 1.175])
    assert config.optim.loss == "lenet_map"


@pytest.mark.parametrize(("name", "side"), [("lenet", 32), ("lenet5", 32), ("lenet_caffe", 28)])
def test_the_embedded_digits_leave_a_margin_for_distortions(name, side):
    """24 pixels of ink: turned by 12 degrees, enlarged by 12 %, moved by 2.5, most stay inside."""
    found = resolve(config_of(f"lenet:{name}").data, (side, side, 1), None)
    assert found.inner == 24 and found.pad == (side - 24) // 2


def test_digits_are_centred_in_32_pixels():
    assert {n: config_of(f"lenet:{n}-mnist").data.pad for n in ("lenet", "lenet_caffe")} == {
        "lenet": 2,
        "lenet_caffe": 0,
    }
