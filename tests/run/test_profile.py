"""Which steps a profile traces."""

import jax
import pytest

from jaxcnn.errors import ConfigError
from jaxcnn.run.profile import Profile


@pytest.mark.parametrize(
    ("steps", "stride", "traced"),
    [("3:5", 1, [3, 4]), ("30:40", 25, [25]), ("50:60", 25, [50]), ("20:30", 10, [20])],
)
def test_steps_that_are_dispatched_together_are_traced_together(
    steps, stride, traced, tmp_path, monkeypatch
):
    tracing, numbers = [False], []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda _: tracing.__setitem__(0, True))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: tracing.__setitem__(0, False))
    profile = Profile(steps, tmp_path)
    for number in range(0, 100, stride):
        profile.before(number, stride)
        numbers += [number] if tracing[0] else []
    assert numbers == traced and not tracing[0]


@pytest.mark.parametrize("steps", ["5", "5:5", "a:b", "7:3", "-1:4"])
def test_a_profile_that_does_not_read(steps, tmp_path):
    with pytest.raises(ConfigError, match="does not read as FIRST:LAST"):
        Profile(steps, tmp_path)
