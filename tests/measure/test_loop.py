"""What the training loop and augmentation add to the compiled step."""

import pytest

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.measure.loop import augmentation_times, loop_times


def config(**data):
    return Config(
        data=Data(name="digits", batch_size=8, eval_batch_size=120, **data),
        optim=Optim(learning_rate=0.01),
    )


@pytest.mark.slow
def test_what_augmentation_adds():
    rows = list(augmentation_times(config(augment=("shift", "distort")), n=1))
    assert [row["augment"] for row in rows] == ["shift+distort", "shift", "distort"]
    assert all(row["without_ms"] > 0 and 0 <= row["share"] < 1 for row in rows)


@pytest.mark.slow
def test_both_ways_in():
    rows = list(loop_times(config(), n=1))
    assert [row["feed"] for row in rows] == ["resident", "streamed"]
    for row in rows:
        assert row["overhead_ms"] == pytest.approx(row["step_ms"] - row["bare_ms"], abs=1e-3)
        assert 0 <= row["input_wait"] < 1
