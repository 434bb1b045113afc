"""What goes wrong with data is said in one sentence."""


def printable(text: str) -> str:
    """`text` with whatever could move a terminal's cursor or end a line written as an escape: names of files come from anywhere."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DataError(ValueError):
    """Data that is missing, damaged or of another kind than was asked for; the message names the file or record and the next step."""

    def __init__(self, message: str):
        super().__init__(printable(message))


class UnreadableError(DataError):
    """A file that was there and cannot be read any more: a matter of the disk or the mount, so that another try is worth it."""
