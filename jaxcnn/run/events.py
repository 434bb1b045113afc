"""Events for TensorBoard, written at once."""

import importlib
import pathlib
import time
from typing import Any


class Events:
    """The numbers of a run for TensorBoard, written at once: tensorboardX's SummaryWriter hands them to a thread, and waits for ever where
    a full disk has ended that."""

    def __init__(self, folder: pathlib.Path, start_step: int):
        from tensorboardX.event_file_writer import EventsWriter

        messages: Any = importlib.import_module(
            "tensorboardX.proto.event_pb2"
        )  # made by protobuf when it is imported
        folder.mkdir(exist_ok=True)
        self._event, self._writer = messages.Event, EventsWriter(str(folder / "events"))
        if start_step:  # what an earlier sitting wrote from here on is computed again
            self._writer.write_event(messages.Event(step=start_step, file_version="brain.Event:2"))
            self._writer.write_event(
                messages.Event(
                    step=start_step,
                    session_log=messages.SessionLog(status=messages.SessionLog.START),
                )
            )

    def write(self, row: dict[str, Any]) -> None:
        from tensorboardX.summary import scalar

        for name, value in row.items():
            if isinstance(value, int | float) and name not in ("step", "final"):
                self._writer.write_event(
                    self._event(
                        wall_time=time.time(), step=row["step"], summary=scalar(name, value)
                    )
                )
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
