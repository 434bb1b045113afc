"""One readable line from what Orbax and TensorStore raise."""

import os
import re


def reason(error: BaseException) -> str:
    """The innermost readable cause, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    if told := re.search(
        r"os_error_code='(\d+)'", text
    ):  # TensorStore's, behind a thousand letters of its own
        return os.strerror(int(told[1]))
    return text if len(text) < 300 else f"{text[:300]} ..."
