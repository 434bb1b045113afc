"""One readable line from what Orbax and TensorStore raise."""

import errno
import os

MOST = 300  # characters of a reason that is no error of the operating system

_SYSTEM = {os.strerror(code) for code in errno.errorcode}


def reason(error: BaseException) -> str:
    """The innermost readable cause, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    if system := system_error(text):
        return system
    return text if len(text) < MOST else f"{text[:MOST]} ..."


def system_error(text: str) -> str:
    """What the operating system said, out of a message of TensorStore; "" where it said nothing.

    TensorStore writes 'STATUS: what it did: "path": No such file or directory [details]', with a
    thousand letters of details.
    """
    last = text.split(" [", 1)[0].rsplit(": ", 1)[-1]
    return last if last in _SYSTEM else ""
