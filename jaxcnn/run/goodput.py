"""The share of the wall time of all sittings of a run that went into steps that were kept."""

import datetime
import json
import pathlib
import time
from typing import Any

import jax


class Account:
    """Wall time and productive time of a run over all its sittings, in `workdir`/sittings.json; process 0 writes it.

    Productive are steps at their median time that were kept: not compiling, evaluating, saving and waiting, nor the steps that a killed
    sitting had made since its last checkpoint.
    """

    def __init__(self, workdir: pathlib.Path, first_step: int):
        self.path = workdir / "sittings.json"
        self._started = (
            time.monotonic()
        )  # durations are monotonic: a clock that jumps moves `began` and nothing else
        try:
            self.sittings: list[dict[str, Any]] = json.loads(self.path.read_text())
            self.sittings[-1]["last_step"]
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
        ):  # none yet, or damaged: only the account of earlier sittings is lost
            self.sittings = []
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

    def add(self, last_step: int, step_s: float) -> None:
        """`step_s` more seconds went into steps, up to `last_step`."""
        here = self.sittings[-1]
        here["last_step"], here["step_s"] = last_step, round(here["step_s"] + step_s, 4)
        here["wall_s"] = round(time.monotonic() - self._started, 4)
        if jax.process_index() == 0:
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(self.sittings, indent=1))
            partial.replace(self.path)

    def goodput(self) -> float:
        """The share of all sittings' wall time that went into steps which the run kept."""
        self.sittings[-1]["wall_s"] = time.monotonic() - self._started
        kept = 0.0
        for here, then in zip(self.sittings, [*self.sittings[1:], None], strict=True):
            made = here["last_step"] - here["first_step"]
            used = (
                made if then is None else max(0, min(made, then["first_step"] - here["first_step"]))
            )
            kept += here["step_s"] * used / made if made else 0.0
        return kept / max(sum(here["wall_s"] for here in self.sittings), 1e-9)
