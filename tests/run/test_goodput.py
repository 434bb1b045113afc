"""The account of a run's time over its sittings."""

import time

import numpy as np

from jaxcnn.run.goodput import Account


def test_goodput_counts_what_a_killed_sitting_kept(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    killed = Account(tmp_path, 0)
    clock[0] = 100.0
    killed.add(40, step_s=80.0)  # 40 steps of 2 s in 100 s; the newest checkpoint is step 30
    clock[0] = 1000.0  # the machine was down in between, which is nobody's wall time
    second = Account(tmp_path, 30)
    clock[0] = 1050.0
    second.add(50, step_s=40.0)
    np.testing.assert_allclose(second.goodput(), (80 * 30 / 40 + 40) / 150)
