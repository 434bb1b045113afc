"""First-layer kernels."""

import numpy as np
import pytest
from networks import build

from jaxcnn.interpret.filters import first_kernels


@pytest.mark.parametrize(
    "name, layer, shape",
    [
        ("alexnet", "conv1", (96, 11, 11, 3)),
        ("resnet18", "conv1", (64, 7, 7, 3)),
        ("vgg11", "conv1_1", (64, 3, 3, 3)),
    ],
)
def test_the_first_kernels_are_found(name, layer, shape):
    model, variables, _ = build(name, (1, 96, 96, 3), num_classes=4)
    kernel = variables["params"][layer]["kernel"]
    kernel[..., 3] *= 1e-4
    kernel[..., 5] *= 50
    found = first_kernels(model, variables, (96, 96, 3))
    assert found.layer == layer and found.values.shape == shape
    np.testing.assert_array_equal(found.values[7], kernel[..., 7])
    assert np.flatnonzero(found.dead).tolist() == [3] and np.flatnonzero(found.large).tolist() == [
        5
    ]
