"""Overrides on the command line: whether --config.FIELD is a setting, and which may be meant."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jaxcnn.config import schema
from jaxcnn.errors import UsageError, nearest, question

OVERRIDE = re.compile(r"--?(?:no)?config\.([\w.]+)(?:=(.*))?", flags=re.DOTALL)


def check_override(argument: str) -> None:
    """Raises UsageError for a --config.x.y that is no field, and for a badly written tuple.

    The message names the fields that may be meant.
    """
    match = OVERRIDE.fullmatch(argument)
    if not match:
        return
    section: Any = schema.Config()
    where = "config"
    for name in match.group(1).split("."):
        if isinstance(section, Mapping):  # its keys are checked by what takes them
            return
        if not dataclasses.is_dataclass(section):
            raise UsageError(f"{where} is a value and has no field {name!r}; write --{where}=VALUE")
        known = [field.name for field in dataclasses.fields(section)]
        if name not in known:
            here = [f"{where}.{near}" for near in nearest(name, known)]
            hint = question(here or fields_like(name))
            raise UsageError(
                f"{where} has no field {name!r}{hint}; its fields are {', '.join(known)}"
            )
        section, where = getattr(section, name), f"{where}.{name}"
    if dataclasses.is_dataclass(section):
        known = ", ".join(field.name for field in dataclasses.fields(section))
        raise UsageError(f"{where} is a section; set its fields: --{where}.FIELD=VALUE, of {known}")
    _check_tuple(where, section, match.group(2) or "")


def _check_tuple(where: str, default: Any, text: str) -> None:
    """Raises UsageError for a,b where a tuple is wanted: it would be taken for one value."""
    written = text.strip().startswith(("(", "["))
    if isinstance(default, tuple) and "," in text and not written:
        items = [item.strip().strip("'\"") for item in text.split(",")]
        numbers = all(re.fullmatch(r"-?[\d.]+(e-?\d+)?", item) for item in items)
        if not numbers:
            raise UsageError(
                f'--{where}={text} is one value; a tuple is written --{where}="{tuple(items)}"'
            )


def _leaves(section: Any, where: str) -> Iterator[tuple[str, str]]:
    """(path, name) of every setting."""
    for field in dataclasses.fields(section):
        value, path = getattr(section, field.name), f"{where}.{field.name}"
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, path)
        else:
            yield path, field.name


def fields_like(name: str) -> list[str]:
    """Returns the settings that `name` may mean.

    They are those of that name, else of these initials (lr), else of similar names.
    """
    leaves = list(_leaves(schema.Config(), "config"))
    same = [path for path, leaf in leaves if leaf == name]
    short = [path for path, leaf in leaves if "".join(w[0] for w in leaf.split("_")) == name]
    near = nearest(name, [leaf for _, leaf in leaves], count=1)
    return same or short or [path for path, leaf in leaves if leaf in near]
