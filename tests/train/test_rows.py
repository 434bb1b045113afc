"""What a run tells of itself."""

import json

import numpy as np
import pytest
from digits import tiny, two_devices

from jaxcnn.config.schema import Sharding
from jaxcnn.errors import RunError
from jaxcnn.train.rows import finished, opening
from jaxcnn.train.setup import build, initial_state
from jaxcnn.train.start import Start


@pytest.fixture(scope="module")
def made():
    """(setup, abstract state) of a run that starts from given weights."""
    setup = build(tiny(init_from="weights/w"), two_devices())
    return setup, initial_state(setup)[0]


def at(like, step, fresh=(), unused=()):
    return Start(like.replace(step=np.int32(step)), list(fresh), list(unused))


def test_opening_lines(made):
    setup, like = made
    begin = at(like, 0, ["params/C1/kernel"], ["params/C9/kernel", "params/fc/bias [5]"])
    changed = {"keep": (2, 3)}
    assert opening(setup, like, begin, changed) == [
        "changed since the last sitting: keep was 2, now 3",
        "not in weights/w, so fresh: params/C1/kernel",
        "in weights/w but not in lenet, so unused: params/C9/kernel, params/fc/bias [5]",
        "lenet, 61,706 parameters; 1,442 training and 355 test images (resident); mesh 2 data x 1 "
        "model (cpu); training for 40 steps",
    ]
    (line,) = opening(setup, like, at(like, 12), {})
    assert line.endswith("; resuming at step 12 of 40 steps")


def test_devices_that_repeat_the_same_work_are_told_of():
    setup = build(tiny(sharding=Sharding(data=1, model=2)), two_devices())
    like, _ = initial_state(setup)
    assert "model=2 repeat the same work" in opening(setup, like, at(like, 0), {})[-1]


def test_a_finished_run_is_its_final_row(made, tmp_path):
    setup, _ = made
    final = {"step": 40, "final": True, "digest": "x"}
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 39}) + "\n")
    assert finished(setup, tmp_path, 40) is None  # its final row is not written
    (tmp_path / "metrics.jsonl").write_text(json.dumps(final) + "\n")
    assert finished(setup, tmp_path, 40) == final
    assert finished(setup, tmp_path, 39) is None  # its last checkpoint is lost
    with pytest.raises(RunError, match="is at step 41 already, beyond the 40 asked for"):
        finished(setup, tmp_path, 41)
