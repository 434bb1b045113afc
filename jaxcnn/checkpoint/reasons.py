"""One readable line from what Orbax and TensorStore raise."""

import errno
import os

from jaxcnn.errors import one_line

MOST = 300  # characters of a reason that is no error of the operating system

_SYSTEM = {os.strerror(code) for code in errno.errorcode}


def reason(error: BaseException) -> str:
    """The innermost readable cause, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return system_error(" ".join(str(error).split())) or one_line(error, MOST)


def system_error(text: str) -> str:
    """What the operating system said, out of a message of TensorStore; "" where it said nothing.

    TensorStore writes 'STATUS: what it did: "path": No such file or directory [details]', with a
    thousand letters of details.
    """
    last = text.split(" [", 1)[0].rsplit(": ", 1)[-1]
    return last if last in _SYSTEM else ""
