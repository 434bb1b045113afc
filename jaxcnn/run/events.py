"""Events for TensorBoard, written at once.

This is the only place that touches the inner parts of tensorboardX.

Its public SummaryWriter hands rows to a thread, and waits for ever where a full disk has ended that
thread. What is used instead is named in `INNER`; tests/run/test_events.py tests each name, so that
a version that moves one fails there by name.
"""

import importlib
import pathlib
import time
from typing import Any

INNER = {
    "tensorboardX.event_file_writer": ("EventsWriter",),
    "tensorboardX.proto.event_pb2": ("Event", "SessionLog"),
    "tensorboardX.summary": ("scalar",),
}


class Events:
    """Writes the numbers of a run, one event file for each sitting, under `folder`."""

    def __init__(self, folder: pathlib.Path, start_step: int):
        writer, self._messages, self._summary = (importlib.import_module(name) for name in INNER)
        folder.mkdir(exist_ok=True)
        self._writer: Any = writer.EventsWriter(str(folder / "events"))
        if start_step:
            self._drop_from(start_step)

    def _drop_from(self, step: int) -> None:
        """Tells TensorBoard to leave out what an earlier sitting wrote from `step` on.

        It is computed again.
        """
        start = self._messages.SessionLog(status=self._messages.SessionLog.START)
        self._writer.write_event(self._messages.Event(step=step, file_version="brain.Event:2"))
        self._writer.write_event(self._messages.Event(step=step, session_log=start))

    def write(self, row: dict[str, Any]) -> None:
        """Writes the numbers of `row` at its `step`, and flushes them."""
        for name, value in row.items():
            if isinstance(value, int | float) and name not in ("step", "final"):
                summary = self._summary.scalar(name, value)
                event = self._messages.Event(
                    wall_time=time.time(), step=row["step"], summary=summary
                )
                self._writer.write_event(event)
        self._writer.flush()

    def close(self) -> None:
        """Ends the file."""
        self._writer.close()
