"""The recipes of fully convolutional networks against the paper and the released solvers."""

import numpy as np
import pytest
from recipe_files import FILES, config_of, fields_of

from jaxcnn.weights.preprocessing import IMAGENET


@pytest.mark.parametrize(
    ("name", "rate"),
    [("fcn32s_alexnet", 1e-3), ("fcn32s_vgg16", 1e-4), ("fcn32s_googlenet", 5e-5)],
)
def test_the_papers_numbers(name, rate):
    """Section 4.3: 20 images, momentum 0.9, decay 5^-4 as printed, biases at twice the rate."""
    config = config_of(f"fcn:{name}")
    assert (config.optim.learning_rate, config.optim.weight_decay) == (rate, 5e-4)
    assert (config.optim.momentum, config.optim.bias_rate) == (0.9, 2.0)
    assert (config.data.batch_size, config.data.augment, config.data.frame) == (20, (), "whole")


def test_each_finer_network_starts_from_the_coarser_at_a_hundredth_of_the_rate():
    names = ["fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16"]
    for suffix in ("", "-released"):
        configs = [config_of(f"fcn:{name}{suffix}") for name in names]
        assert [c.init_from for c in configs] == [
            "weights/vgg16",
            f"runs/fcn32s_vgg16{suffix}",
            f"runs/fcn16s_vgg16{suffix}",
        ]
        rates = [c.optim.learning_rate for c in configs]
        assert rates[1:] == pytest.approx([rates[0] / 100, rates[0] / 1e4])


@pytest.mark.parametrize(
    ("name", "classifier"),
    [("fcn32s_alexnet", "alexnet:caffenet"), ("fcn32s_googlenet", "googlenet:googlenet")],
)
def test_pixels_have_the_scale_that_the_classifier_was_trained_on(name, classifier):
    found, given = config_of(f"fcn:{name}").data, config_of(classifier).data
    assert found.std == given.std == (1.0,)
    vgg = config_of("fcn:fcn32s_vgg16").data
    assert np.allclose((vgg.mean, vgg.std), 255 * np.array(IMAGENET), rtol=1e-4)


def test_released_solvers_sum_over_pixels():
    """voc-fcn32s/solver.prototxt: base_lr 1e-10, momentum 0.99, weight_decay 0.0005, batch 1."""
    rate, decay, momentum, steps = fields_of(
        "fcn:fcn32s_vgg16-released",
        "optim.learning_rate",
        "optim.weight_decay",
        "optim.momentum",
        "optim.steps",
    )
    pixels = 500 * 375
    assert (rate, momentum, steps) == (pytest.approx(1e-10 * pixels), 0.99, 100_000)
    assert rate * decay == pytest.approx(1e-10 * 5e-4)  # of a weight, each step


def test_what_is_uncertain_is_declared():
    declared = " ".join(FILES["fcn"].__doc__.split())
    for words in ("5^-4 or 2^-4", "a mean over pixels or a sum", "is from the released solvers"):
        assert words in declared
