"""Operations of a training step, and the share of the devices' peak that it reaches."""

from types import SimpleNamespace

import jax
import numpy as np

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.train import efficiency
from jaxcnn.train.compile import compile_steps
from jaxcnn.train.setup import build, initial_state


def test_operations_of_a_step_and_its_share_of_the_peak(monkeypatch):
    config = Config(
        model="lenet",
        data=Data(batch_size=64, image_size=32),
        optim=Optim(learning_rate=0.01, steps=1),
    )
    parts = build(config)
    macs = 117_600 + 240_000 + 48_000 + 10_080 + 840  # of lenet's five layers, by hand
    flops = efficiency.step_flops(parts)
    assert flops == 6 * macs * 64  # forward, and both gradients
    like, _ = initial_state(parts)
    train_step, _ = compile_steps(parts, like)
    counted = train_step.lower(
        like, parts.train_feed.store, (next(parts.train_feed.items(0)),)
    ).cost_analysis()["flops"]
    assert (
        0.6 * flops < counted < 1.5 * flops
    )  # XLA leaves out the gradient of the images and counts what is no product
    assert efficiency.ideal_seconds(parts) == 0.0  # a CPU has no known peak
    monkeypatch.setitem(efficiency.PEAK_FLOPS, jax.devices()[0].device_kind, 1e9)
    np.testing.assert_allclose(efficiency.ideal_seconds(parts), flops / (1e9 * jax.device_count()))


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
