"""The times that a row of metrics reports, and losses that are no numbers."""

import time

import numpy as np
import pytest

from jaxcnn.errors import NonFiniteLoss
from jaxcnn.train.meter import Meter

SUMS = {"loss": 8.0, "top1": 4.0, "top5": 8.0, "count": 8.0, "grad_norm": 1.0, "bad": 0.0}


def sums(**changes):
    """The sums of dispatched steps, {name: [steps]}."""
    return {name: np.atleast_1d(x) for name, x in (SUMS | changes).items()}


def test_meter_times(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter(batch_size=8, started=10.0)
    for step, seconds in enumerate([0.1] * 98 + [1.0, 2.0], 1):
        clock[0] += seconds
        meter.add(sums(), step)
    meter.saving = 0.5
    row = meter.row()
    assert row["step_p50_ms"] == row["step_p90_ms"] == 100.0
    assert 1000 <= row["step_p99_ms"] < 2000
    np.testing.assert_allclose([row["step_ms"], row["img_s"], row["save_ms"]], [128.0, 62.5, 500.0])


def test_where_time_went(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    meter = Meter(batch_size=8, started=0.0)
    with meter.waiting_for_input():
        clock[0] += 3.0
    with meter.waiting_for_save():
        clock[0] += 1.0
    clock[0] += 6.0
    meter.add(sums(), 1)
    row = meter.row()
    assert (row["input_wait"], row["save_ms"], row["host_ms"]) == (0.3, 1000.0, 6000.0)


def test_the_first_bad_step_of_several_is_named():
    bad = {name: np.ones(5) for name in SUMS} | {"bad": np.array([0.0, 0.0, 1.0, 0.0, 1.0])}
    with pytest.raises(NonFiniteLoss, match="at step 23") as caught:
        Meter(batch_size=8).add(bad, 25)  # steps 21 to 25
    assert caught.value.step == 23
