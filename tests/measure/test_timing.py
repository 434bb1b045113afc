"""Medians of times, on a clock that is set by hand."""

import time

import pytest

from jaxcnn.measure.timing import timed, timed_steps


@pytest.fixture
def clock(monkeypatch):
    """Seconds that perf_counter tells; process_time tells half of them."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "process_time", lambda: now[0] / 2)
    return now


def test_the_median_without_the_first_two(clock, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    durations = iter([100.0, 100.0, 1.0, 9.0, 2.0])

    def work():
        clock[0] += next(durations)

    assert timed(work, n=3) == pytest.approx((2.0, 2.0 / 2 / 4))


def test_steps_pass_their_state_on(clock):
    def step(state, batch):
        clock[0] += state
        return state + batch, None

    seconds, state = timed_steps(step, 1, 1, n=3)  # takes 1, 2, then 3, 4 and 5 seconds
    assert (seconds, state) == (4.0, 6)
