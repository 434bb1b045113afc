"""Files that are written whole or not at all.

This module lies beside errors.py, outside the rooms, because rooms that must not import each other
write files: data prepares datasets, checkpoint writes checksums, run writes logs, evaluate writes
predictions. It imports nothing but errors.
"""

import contextlib
import pathlib
from collections.abc import Iterator

from jaxcnn.errors import JaxcnnError, WriteError


@contextlib.contextmanager
def writing(place: pathlib.Path | str) -> Iterator[None]:
    """Raises WriteError where an operation of the system fails in the block.

    It names the file that the system names, else `place`.
    """
    try:
        yield
    except JaxcnnError:
        raise
    except OSError as error:
        raise WriteError(
            f"{error.strerror or error} ({error.filename or place}); "
            "free space or mount it again, then run the same command"
        ) from error


@contextlib.contextmanager
def replacing(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives the block a file beside `path`, which takes its name when the block ends well.

    Readers see the old file or the new one, never a part of it, whenever the process is killed.
    Where the block fails, `path` stays as it was and what was written is removed. Raises WriteError
    where the disk fails.
    """
    partial = path.with_name(f"{path.name}.partial")
    with writing(path):
        try:
            yield partial
            partial.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise


def replace_text(path: pathlib.Path, text: str) -> None:
    """Writes `text` to `path`, whole or not at all; raises WriteError where the disk fails."""
    with replacing(path) as partial:
        partial.write_text(text)
