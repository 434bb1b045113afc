"""Hides what libraries print about failures that they raise as well: a run says one sentence.

Everything here depends on how Orbax, TensorStore and asyncio word or raise things;
tests/run/test_quiet.py makes each of them do it.
"""

import logging
import sys
from typing import Any

# What asyncio says where a coroutine of Orbax wants to go on after the save that it belongs to was
# given up.
CLOSED_LOOP = "Event loop is closed"
# What asyncio logs where several writes of one save fail: Orbax raises the first, and the others
# are found when they are collected, sometimes before the process ends and sometimes not.
NEVER_RETRIEVED = "exception was never retrieved"


def hush() -> None:
    """Shows the libraries' lines only from errors on, and none of what they raise as well."""
    absl = logging.getLogger("absl")
    absl.setLevel(logging.ERROR)
    absl.addFilter(_without_traceback)
    logging.getLogger("asyncio").addFilter(_retrieved)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def _without_traceback(record: logging.LogRecord) -> bool:
    """Whether a record has no traceback.

    Orbax logs one for each file that a full disk refuses, and raises it too.
    """
    return not record.exc_info


def _retrieved(record: logging.LogRecord) -> bool:
    """Whether a record is not about an exception that nobody asked for."""
    return NEVER_RETRIEVED not in record.getMessage()


def _unraisable(event: Any) -> None:
    """Python's usual hook, but for what a save that was given up leaves behind."""
    if str(event.exc_value) != CLOSED_LOOP:
        sys.__unraisablehook__(event)
