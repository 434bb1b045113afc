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
    """The inverse of `to_dict`; missing fields take the default, unknown ones raise ConfigError.

    Reads the forms of older versions too: `model_args` as text, `layer_rates` as a list of texts.
    """
    return _build(Config, values, "config")


def _build(cls: Any, values: dict[str, Any], where: str) -> Any:
    """`values` as the dataclass `cls`; its __post_init__ reads what older versions wrote."""
    known = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in known:
            raise ConfigError(f"{where} has no field {name!r}; its fields are {', '.join(known)}")
    built = {}
    for name, value in values.items():
        kind: Any = known[name].type
        if dataclasses.is_dataclass(kind):
            value = _build(kind, value, f"{where}.{name}")
        elif isinstance(value, list):
            value = tuple(value)
        built[name] = value
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
