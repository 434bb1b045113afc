"""The account of a run's time over its sittings."""

import json
import time

import numpy as np
import pytest

from jaxcnn.run.goodput import Account


def test_goodput_counts_what_a_killed_sitting_kept(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    killed = Account(tmp_path, 0)
    clock[0] = 100.0
    killed.add(40, step_s=80.0)  # 40 steps of 2 s in 100 s; the newest checkpoint is step 30
    clock[0] = 1000.0  # the machine was down in between, which is not counted
    second = Account(tmp_path, 30)
    clock[0] = 1050.0
    second.add(50, step_s=40.0)
    np.testing.assert_allclose(second.goodput(), (80 * 30 / 40 + 40) / 150)


def test_a_sitting_is_in_the_account_from_its_beginning_to_its_end(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Account(tmp_path, 0):
        (sitting,) = json.loads((tmp_path / "sittings.json").read_text())
        assert sitting["last_step"] == 0
        clock[0] = 20.0  # stopped before its first row of metrics
    second = Account(tmp_path, 10)
    clock[0] = 60.0
    second.add(30, step_s=30.0)
    assert len(second.sittings) == 2
    np.testing.assert_allclose(second.goodput(), 30 / 60)


@pytest.mark.parametrize("content", ["", "null", "[]", "[1]", "{", '[{"began": 1}]'])
def test_a_damaged_account_starts_anew(tmp_path, content):
    (tmp_path / "sittings.json").write_text(content)
    assert len(Account(tmp_path, 0).sittings) == 1
