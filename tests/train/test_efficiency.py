"""Operations of a training step, and the share of the devices' peak that it reaches."""

from types import SimpleNamespace

import numpy as np
from digits import tiny, two_devices

from jaxcnn.train import efficiency
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.setup import build, initial_state


def test_operations_of_a_step_and_its_share_of_the_peak(monkeypatch):
    setup = build(tiny(), two_devices())
    macs = 117_600 + 240_000 + 48_000 + 10_080 + 840  # of lenet's five layers, by hand
    flops = efficiency.step_flops(setup)
    assert flops == 6 * macs * 64  # forward, and both gradients
    like, _ = initial_state(setup)
    feed = setup.splits.training
    lowered = compile_steps(setup, like).train.lower(like, feed.store, (next(feed.items(0)),))
    counted = lowered.cost_analysis()["flops"]
    # XLA leaves out the gradient of the images and counts what is no product.
    assert 0.6 * flops < counted < 1.5 * flops
    assert efficiency.ideal_seconds(setup) == 0.0  # a CPU has no known peak
    monkeypatch.setitem(efficiency.PEAK_FLOPS, two_devices()[0].device_kind, 1e9)
    np.testing.assert_allclose(efficiency.ideal_seconds(setup), flops / 2e9)  # of two devices


def test_the_peak_is_that_of_the_device_and_not_of_one_whose_name_begins_alike():
    kinds = {
        "NVIDIA H100 80GB HBM3": 989e12,
        "NVIDIA H100 PCIe": 756e12,
        "NVIDIA L4": 121e12,
        "NVIDIA L40S": 362e12,
        "TPU v5 lite": 197e12,
    }
    for kind, peak in kinds.items():
        assert efficiency.peak_flops([SimpleNamespace(device_kind=kind)] * 8) == 8 * peak
    assert efficiency.peak_flops([SimpleNamespace(device_kind="cpu")]) is None
