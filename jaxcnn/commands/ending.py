"""How a command ends: with its work done, or with one sentence that says why not."""

import sys
from collections.abc import Callable

from jaxcnn.errors import DONE, JaxcnnError
from jaxcnn.files import writing


def ended(work: Callable[[], None]) -> int:
    """Does `work` and returns DONE, or says why it failed and returns the error's exit code."""
    try:
        with writing("the output"):
            work()
    except JaxcnnError as error:
        print(error.sentence, file=sys.stderr)
        return error.exit_code
    return DONE
