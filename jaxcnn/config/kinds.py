"""Whether the value of every setting is of the kind that the schema states: a number, a text ..."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Iterator
from typing import Any

from jaxcnn.errors import ConfigError

# Linux: the longest name of a file or folder, in bytes.
LONGEST_NAME = 255
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def check_kinds(section: Any, where: str = "config") -> None:
    """Raises ConfigError for the first setting of another kind than its field in the schema.

    That is also a number that is not finite, a tuple of another length, and a text that cannot be
    the name of a file.
    """
    for name, value, hint in _fields(section):
        path = f"{where}.{name}"
        if dataclasses.is_dataclass(value):
            check_kinds(value, path)
            continue
        if not _fits(value, hint):
            raise ConfigError(f"{path} is {value!r}; it must be {_described(hint)}")
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, numbers.Real) and not math.isfinite(item):
                raise ConfigError(f"{path} is {value}; it must be finite")
            if isinstance(item, str):
                _check_text(path, item)


def _fields(section: Any) -> Iterator[tuple[str, Any, Any]]:
    """(name, value, type) of every field."""
    hints = typing.get_type_hints(type(section))
    for field in dataclasses.fields(section):
        yield field.name, getattr(section, field.name), hints[field.name]


def _fits(value: Any, hint: Any) -> bool:
    """Whether `value` is what the type `hint` means; an int is a float, a bool is no number."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    return hint is Any or isinstance(value, origin or hint)


def _described(hint: Any) -> str:
    """What to write for the type `hint`: "a number", "2 numbers in brackets, such as (1, 1)"."""
    inner = typing.get_args(hint)
    if typing.get_origin(hint) is not tuple:
        return NAMES.get(hint, "a mapping such as {'name': value}")
    kind, example = {int: ("whole numbers", 1), float: ("numbers", 0.5), str: ("texts", "name")}[
        inner[0]
    ]
    count = 0 if inner[-1] is Ellipsis else len(inner)
    written = f"{kind} in brackets, such as {(example,) * (count or 1)}"
    return f"{count} {written}" if count else written


def _check_text(path: str, text: str) -> None:
    """Raises ConfigError for a text that the system could not even look up as a file."""
    longest = max(len(part.encode(errors="replace")) for part in text.split("/"))
    if "\0" in text or longest > LONGEST_NAME:
        raise ConfigError(
            f"{path} is {text[:20]!r} ...; names have at most {LONGEST_NAME} letters, none of them "
            "a zero byte"
        )
