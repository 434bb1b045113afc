"""A terminal on which somebody watches a run and does something when a step is reported."""

import io
import re
from collections.abc import Callable


class Reacting(io.StringIO):
    """Stands in for stdout; calls `act(step)` in the run's own thread at each of its lines."""

    def __init__(self, act: Callable[[int], None]):
        super().__init__()
        self.act = act

    def write(self, text: str) -> int:
        """Keeps the text, then acts."""
        if match := re.search(r"^step (\d+)/", text):
            self.act(int(match[1]))
        return super().write(text)
