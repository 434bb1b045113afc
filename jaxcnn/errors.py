"""Every error that a user can cause: one class for each kind of failure.

The message of each is one sentence for the user: what was found and where, what was expected, and
what to do next. Each class knows the exit code of a command that ends by it, so that a command line
needs a single `except JaxcnnError`.
"""

import difflib
from collections.abc import Iterable

# Exit codes, as README documents them. 75 is EX_TEMPFAIL of sysexits.h: the same command goes on.
DONE, FAILED, USAGE, STOPPED, KILLED = 0, 1, 2, 75, 130


class JaxcnnError(Exception):
    """The base of all errors of this package."""

    exit_code = FAILED
    # Whether all processes of a run end by this error at the same step: then one of them says it,
    # and none has to end the others.
    together = False

    @property
    def sentence(self) -> str:
        """What a command that ends by this error says on stderr."""
        return f"error: {self}"


class UsageError(JaxcnnError, ValueError):
    """A command line that cannot work: a flag that is missing, unknown or of the wrong form."""

    exit_code = USAGE


class ConfigError(JaxcnnError, ValueError):
    """A setting that cannot work."""

    exit_code = USAGE


class OwnError(ConfigError):
    """Something of the user's, named "package.module:name", that is missing or does not fit."""


class ModelError(JaxcnnError, ValueError):
    """A network that does not exist, cannot be built, or cannot take the images it is given."""

    exit_code = USAGE


class DataError(JaxcnnError, ValueError):
    """Data that is missing, damaged or of another kind than was asked for.

    The message names the file or record.
    """

    exit_code = USAGE

    def __init__(self, message: str):
        super().__init__(printable(message))


class UnreadableError(DataError):
    """A file that was there and cannot be read any more.

    The disk or the mount fails, so another try is worth it.
    """

    exit_code = FAILED


class ExportError(JaxcnnError, ValueError):
    """An export that cannot be made as asked, or that gives other numbers than the network."""

    exit_code = USAGE


class StartError(JaxcnnError, RuntimeError):
    """Processes that cannot become one run."""

    exit_code = USAGE


class NoStartError(StartError):
    """Processes that did not all come within the time they had; another try is worth it."""

    exit_code = FAILED


class CheckpointError(JaxcnnError, RuntimeError):
    """A checkpoint that cannot be written or read."""


class WriteError(JaxcnnError, OSError):
    """A file of a run that cannot be written: the disk is full, or its file system is gone."""


class WeightsError(JaxcnnError, ValueError):
    """Weights, or a name of weights, that are not what was asked for."""


class RunError(JaxcnnError, RuntimeError):
    """A run that cannot start or go on."""


class Diverged(RunError):
    """A run whose loss is no longer a finite number."""


class Stalled(RunError):
    """A run in which nothing has moved for too long."""


class DeviceMemoryError(RunError):
    """A run that does not fit into the memory of its devices."""


class LostProcess(RunError):
    """A run whose processes cannot reach each other any more."""


class NonFiniteLoss(RunError):
    """A loss or an update that is not a finite number, at `step`."""

    def __init__(self, step: int):
        super().__init__(f"the loss is not a finite number at step {step}")
        self.step = step


class Interrupted(JaxcnnError, RuntimeError):
    """A run that was asked to stop and has saved its state; the same command resumes it."""

    exit_code = STOPPED
    together = True

    @property
    def sentence(self) -> str:
        """What was asked for has been done, so this is not called an error."""
        return str(self)


def printable(text: str) -> str:
    """Writes control characters as escapes.

    Names of files come from anywhere and could move a cursor.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: BaseException | str, limit: int = 200) -> str:
    """Fits the text of a library's error into a sentence: one line of `limit` characters at most.

    An error without a text is called by its class.
    """
    text = printable(" ".join(str(error).split()))
    if not text and isinstance(error, BaseException):
        return type(error).__name__
    return text if len(text) <= limit else f"{text[:limit]} ..."


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Returns the names of `known` that look most like `name`, the nearest first.

    At most `count`, often none.
    """
    return difflib.get_close_matches(name, list(known), n=count)


def did_you_mean(name: str, known: Iterable[str], count: int = 3) -> str:
    """Returns the question that follows an unknown name: " (did you mean a or b?)".

    It is "" where nothing is near.
    """
    return question(nearest(name, known, count))


def question(names: Iterable[str]) -> str:
    """ " (did you mean a, b or c?)" of the names that may have been meant, or "" of none."""
    *others, last = ["", *names]
    others = [name for name in others if name]
    if not last:
        return ""
    return (
        f" (did you mean {', '.join(others)} or {last}?)" if others else f" (did you mean {last}?)"
    )
