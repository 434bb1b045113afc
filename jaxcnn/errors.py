"""Every error that a user can cause, one class a kind of failure, each with the exit code of the command that ends by it.

The message of each is one sentence for the user: what was found and where, what was expected, what to do next.
"""

# Exit codes, as in README. 75 is EX_TEMPFAIL of sysexits.h: the same command goes on.
DONE, FAILED, USAGE, STOPPED, KILLED = 0, 1, 2, 75, 130


def printable(text: str) -> str:
    """`text` with control characters written as escapes: names of files come from anywhere and could move a cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class JaxcnnError(Exception):
    """The base of all errors of this package; `exit_code` is what a command that ends by it returns."""

    exit_code = FAILED


class ConfigError(JaxcnnError, ValueError):
    """A setting that cannot work."""

    exit_code = USAGE


class ModelError(JaxcnnError, ValueError):
    """A network that does not exist, cannot be built, or cannot take the images it is given."""

    exit_code = USAGE


class DataError(JaxcnnError, ValueError):
    """Data that is missing, damaged or of another kind than was asked for; the message names the file or record."""

    exit_code = USAGE

    def __init__(self, message: str):
        super().__init__(printable(message))


class UnreadableError(DataError):
    """A file that was there and cannot be read any more: a fault of the disk or the mount, so another try is worth it."""

    exit_code = FAILED


class StartError(JaxcnnError, RuntimeError):
    """Processes that cannot become one run."""

    exit_code = USAGE


class CheckpointError(JaxcnnError, RuntimeError):
    """A checkpoint that cannot be written or read."""


class RunError(JaxcnnError, RuntimeError):
    """A run that cannot start or go on."""


class Diverged(RunError):
    """A run whose loss is no longer a finite number."""


class Interrupted(JaxcnnError, RuntimeError):
    """A run that was asked to stop and has saved its state; the same command resumes it."""

    exit_code = STOPPED
