"""Events for TensorBoard, and the inner parts of tensorboardX that write them."""

import importlib

import pytest

from jaxcnn.data.prepare.tfrecords import read_tfrecords
from jaxcnn.run.events import INNER, Events


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in INNER.items() for name in names]
)
def test_tensorboardx_still_has(module, name):
    assert hasattr(importlib.import_module(module), name), f"tensorboardX has moved {module}.{name}"


def test_events_for_tensorboard_are_written_at_once(tmp_path):
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    events = Events(tmp_path / "events", start_step=5)
    events.write({"step": 6, "train_loss": 1.5, "digest": "x", "final": True})
    (path,) = (tmp_path / "events").iterdir()
    # Read before it is closed.
    _, version, restart, row = (Event.FromString(record) for record in read_tfrecords(path))
    assert version.step == restart.step == 5 and restart.session_log.status == SessionLog.START
    values = [(value.tag, value.simple_value) for value in row.summary.value]
    assert row.step == 6 and values == [("train_loss", 1.5)]
    events.close()
