"""Configs as plain, JSON-ready values: to a dict, from a dict, and in what two of them differ."""

import dataclasses
import json
from typing import Any

from jaxcnn.config.schema import Config
from jaxcnn.errors import ConfigError


def to_dict(config: Any) -> dict[str, Any]:
    """The config as plain, JSON-ready values."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values: dict[str, Any]) -> Config:
    """The inverse of `to_dict`; unknown fields raise ConfigError, missing ones take today's default."""
    return _build(Config, values, "config")


def _build(cls: Any, values: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in known:
            raise ConfigError(f"{where} has no field {name!r}; its fields are {', '.join(known)}")
    built = {}
    for name, value in values.items():
        kind: Any = known[name].type
        nested = dataclasses.is_dataclass(kind)
        built[name] = (
            _build(kind, value, f"{where}.{name}")
            if nested
            else tuple(value)
            if isinstance(value, list)
            else value
        )
    return cls(**built)


def differences(old: Any, new: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """{field path: (old, new)} of the settings in which two dicts from `to_dict` differ."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found[f"{prefix}{key}"] = (a, b)
    return found
