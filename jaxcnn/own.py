"""What a user wrote, found by "package.module:name": networks, data, augmentation, losses, rates.

This module lies beside errors.py, outside the rooms, because rooms that must not import each other
look such names up. It imports nothing but errors. docs/own.md shows what can be written.
"""

import importlib
import inspect
import pathlib
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from jaxcnn.errors import OwnError, did_you_mean, one_line

_WORD = r"[^\W\d]\w*"
REFERENCE = re.compile(rf"{_WORD}(?:\.{_WORD})*:{_WORD}(?:\.{_WORD})*")


def is_reference(text: str) -> bool:
    """Whether `text` is written like "package.module:name".

    A version behind a dataset's name, as in "mnist:3.0.1", is none.
    """
    return bool(REFERENCE.fullmatch(text))


def search(folder: str | pathlib.Path) -> None:
    """Lets modules be found in `folder` too, behind all other places, so that it hides none."""
    path = str(pathlib.Path(folder).absolute())
    if path not in sys.path:
        sys.path.append(path)


def find(reference: str, signature: str) -> Any:
    """The object that `reference` names; modules of the current folder are found too.

    Raises OwnError with one sentence, which shows the `signature` that was expected.
    """
    search(pathlib.Path.cwd())
    module_name, _, name = reference.partition(":")
    module = found = _module(reference, module_name, signature)
    for part in name.split("."):
        if not hasattr(found, part):
            near = did_you_mean(part, [word for word in vars(module) if not word.startswith("_")])
            raise OwnError(
                f"{reference}: the module {module_name} ({_file(module)}) has no {name}{near}; "
                f"expected {signature}"
            )
        found = getattr(found, part)
    return found


def check_call(
    function: Callable[..., Any], reference: str, signature: str, *args: Any, **kwargs: Any
) -> None:
    """Raises OwnError unless `function` can be called with such arguments."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise OwnError(
            f"{reference} cannot be called as it must be ({one_line(error)}); expected {signature}"
        ) from None


def folders_of(references: Iterable[str]) -> list[str]:
    """Where the modules of `references` were found: what a checkpoint notes, to find them again.

    Installed packages are left out, for they are found anyway.
    """
    found = set()
    for reference in references:
        top = sys.modules[reference.partition(":")[0].partition(".")[0]]
        if file := getattr(top, "__file__", None):
            path = pathlib.Path(file).absolute()
            folder = path.parents[1] if path.name == "__init__.py" else path.parent
            if folder.name not in ("site-packages", "dist-packages"):
                found.add(str(folder))
    return sorted(found)


def search_noted(folders: Iterable[str], checkpoint: pathlib.Path) -> None:
    """Lets modules be found where a checkpoint notes that they were.

    A folder inside the checkpoint is not among these: weights from strangers must not bring code.
    """
    for text in folders:
        folder = pathlib.Path(text)
        inside = folder.resolve().is_relative_to(checkpoint.resolve())
        if folder.is_absolute() and folder.is_dir() and not inside:
            search(folder)


def _module(reference: str, name: str, signature: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise OwnError(
                f"{reference}: there is no module {error.name} in {pathlib.Path.cwd()} or on the "
                "Python path; run from the folder that holds it or name that folder in "
                f"PYTHONPATH; expected {signature}"
            ) from None
        raise OwnError(f"{reference}: {name} needs {error.name}, which is not installed") from None
    except Exception as error:  # the user's module is a program
        raise OwnError(
            f"{reference}: {name} failed when it was imported: {type(error).__name__}: "
            f"{one_line(error)}"
        ) from None


def _file(module: Any) -> str:
    return str(getattr(module, "__file__", None) or "built in")
