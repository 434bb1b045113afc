"""The account of a run's time: which share of it went into steps that were kept."""

import contextlib
import datetime
import json
import pathlib
import time
from typing import Any

import jax

from jaxcnn.errors import WriteError
from jaxcnn.files import replace_text


class Account:
    """Counts wall time and productive time of a run over all its sittings.

    Process 0 writes them to `workdir`/sittings.json.

    Productive are steps at their median time that were kept. Not productive are compiling,
    evaluating, saving and waiting, and the steps that a killed sitting had made since its last
    checkpoint. The sitting is in the file from its beginning; as a context manager, the account
    adds the time up to its end, however it ends.
    """

    def __init__(self, workdir: pathlib.Path, first_step: int):
        self.path = workdir / "sittings.json"
        # Durations are monotonic: a clock that jumps moves `began` and nothing else.
        self._started = time.monotonic()
        self.sittings = _earlier(self.path)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.sittings.append(
            {
                "began": now,
                "first_step": first_step,
                "last_step": first_step,
                "wall_s": 0.0,
                "step_s": 0.0,
            }
        )
        self._write()

    def __enter__(self) -> "Account":
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(WriteError):  # a full disk has its own sentence already
            self._write()

    def add(self, last_step: int, step_s: float) -> None:
        """Counts `step_s` more seconds that went into steps, up to `last_step`."""
        here = self.sittings[-1]
        here["last_step"] = last_step
        here["step_s"] = round(here["step_s"] + step_s, 4)
        self._write()

    def goodput(self) -> float:
        """The share of all sittings' wall time that went into steps which the run kept."""
        self.sittings[-1]["wall_s"] = time.monotonic() - self._started
        ends = [later["first_step"] for later in self.sittings[1:]]
        ends.append(self.sittings[-1]["last_step"])
        kept = sum(_kept_s(here, end) for here, end in zip(self.sittings, ends, strict=True))
        return kept / max(sum(here["wall_s"] for here in self.sittings), 1e-9)

    def _write(self) -> None:
        self.sittings[-1]["wall_s"] = round(time.monotonic() - self._started, 4)
        if jax.process_index() == 0:
            replace_text(self.path, json.dumps(self.sittings, indent=1))


def _earlier(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads the sittings before this one.

    It is [] where there are none, or where the file is damaged: only their account is lost.
    """
    try:
        sittings = json.loads(path.read_text())
        sittings[-1]["last_step"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return sittings


def _kept_s(sitting: dict[str, Any], next_first: int) -> float:
    """Seconds of a sitting's steps up to step `next_first`, where the next sitting began.

    Later steps were made again.
    """
    made = sitting["last_step"] - sitting["first_step"]
    used = min(made, next_first - sitting["first_step"])
    return sitting["step_s"] * used / made if made and used > 0 else 0.0
