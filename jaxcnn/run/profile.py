"""A profile of chosen training steps."""

import pathlib
import re

import jax

from jaxcnn.errors import ConfigError


class Profile:
    """Traces the steps that `--profile=A:B` asks for, A to B, into `workdir`/profile.

    The trace is for TensorBoard and Perfetto; "" makes none.

    Raises ConfigError where `steps` reads otherwise.
    """

    def __init__(self, steps: str, workdir: pathlib.Path):
        match = re.fullmatch(r"(\d+):(\d+)", steps)
        if steps and (not match or int(match[1]) >= int(match[2])):
            raise ConfigError(
                f"--profile={steps} does not read as FIRST:LAST, the steps to trace, "
                "such as --profile=100:110"
            )
        self.first, self.last = (int(match[1]), int(match[2])) if match else (-1, -1)
        self.folder = workdir / "profile"
        self._on = False

    def before(self, number: int, count: int = 1) -> None:
        """Starts or ends the trace before the next `count` steps, which are dispatched together.

        `number` steps have been dispatched.

        They are traced together if one of them is to be.
        """
        if self._on and number >= self.last:
            self.close()
        elif not self._on and number < self.last and self.first < number + count:
            jax.profiler.start_trace(str(self.folder))
            self._on = True

    def close(self) -> None:
        """Writes the trace, if one is being made."""
        if self._on:
            self._on = False
            jax.profiler.stop_trace()
