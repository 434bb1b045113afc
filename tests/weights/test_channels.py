"""CIFAR ResNets whose shortcuts pad on both sides, against PyTorch."""

import jax
import numpy as np
import pytest
import torch_models

from jaxcnn import create_model, weights
from jaxcnn.weights.channels import order_of


def test_orders_against_padding_in_numpy():
    """Stage by stage: what padding does to the numbers of the channels, there and here."""
    theirs = ours = np.arange(1, 17)
    for channels in (32, 64):
        quarter = channels // 4
        theirs = np.pad(theirs, (quarter, quarter))
        ours = np.pad(ours, (0, channels // 2))
        np.testing.assert_array_equal(theirs[list(order_of(16, channels))], ours)
        assert sorted(order_of(16, channels)) == list(range(channels))
        # from here on the padded channels have values of their own
        theirs = np.where(theirs == 0, 100 + np.arange(channels), theirs)
        ours = theirs[list(order_of(16, channels))]


@pytest.mark.parametrize("name", ["resnet20", pytest.param("resnet56", marks=pytest.mark.slow)])
def test_logits_against_pytorch_and_back_to_the_bit(name):
    torch = torch_models.load_torch()[0]
    images = torch_models.images(3, 32)
    reference = torch_models.build("akamaster", name)
    expected = torch_models.calibrated_logits(reference, images)
    state = reference.state_dict()
    variables = weights.from_torch(name, state)
    logits = jax.jit(create_model(name).apply)(variables, images)
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()
    back = weights.to_torch(name, variables)
    assert sorted(back) == sorted(state)
    assert all(torch.equal(back[key], value) for key, value in state.items())
