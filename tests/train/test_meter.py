"""The times that a row of metrics reports."""

import time

import numpy as np

from jaxcnn.train.meter import Meter


def test_meter_times(monkeypatch):
    clock = [10.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    found = Meter(batch_size=8, started=10.0)
    for number, seconds in enumerate([0.1] * 98 + [1.0, 2.0], 1):
        clock[0] += seconds
        sums = {"loss": 8.0, "top1": 4.0, "top5": 8.0, "count": 8.0, "grad_norm": 1.0, "bad": 0.0}
        found.add({name: np.array([x]) for name, x in sums.items()}, number)
    found.saving = 0.5
    row = found.row()
    assert (
        row["step_p50_ms"] == 100.0
        and row["step_p90_ms"] == 100.0
        and 1000 <= row["step_p99_ms"] < 2000
    )
    np.testing.assert_allclose([row["step_ms"], row["img_s"], row["save_ms"]], [128.0, 62.5, 500.0])
