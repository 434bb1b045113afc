"""Finds networks by name in the tables of the family files.

A family file has `VARIANTS`, {name: fields of its module}, and the module itself. A row's `module`
names the class where a family has several. There is no registration: the lookup reads the tables.
"""

import fnmatch
import functools
import importlib
import pathlib
import pkgutil
from typing import Any

import flax.linen as nn

from jaxcnn import own
from jaxcnn.errors import ModelError, did_you_mean
from jaxcnn.models._features import FeatureMaps, levels_of
from jaxcnn.models._own import fields_of, own_class, own_network


@functools.cache
def _variants() -> dict[str, tuple[str, type[nn.Module], dict[str, Any]]]:
    """{variant: (family, module class, fields)} over every file of this folder."""
    found = {}
    for info in pkgutil.iter_modules([str(pathlib.Path(__file__).parent)]):
        if info.name.startswith("_"):
            continue
        family = importlib.import_module(f"{__package__}.{info.name}")
        for name, row in family.VARIANTS.items():
            fields = dict(row)
            found[name] = (info.name, getattr(family, fields.pop("module")), fields)
    return found


def list_models(pattern: str = "*") -> dict[str, str]:
    """{variant: family} of the variants whose name matches the shell `pattern`, by alphabet."""
    return {
        name: _variants()[name][0]
        for name in sorted(_variants())
        if fnmatch.fnmatchcase(name, pattern)
    }


def create_model(name: str, *, features_only: bool = False, **overrides: Any) -> nn.Module:
    """The network `name` (see `list_models`), an `nn.Module`, with `overrides` of its fields.

    `jaxcnn.create_model` is the same, takes `pretrained` besides, and explains all of it.

    A network of your own is named "package.module:Class" (docs/own.md). All others have the fields
    `num_classes`, `dtype`, `dropout_rate`, `class_map` and `input_shape`, and the method
    `smallest_image`. `model.apply(variables, images, train=False)` gives float32 logits [B, K] of
    images [B, H, W, C]. A fully convolutional network gives logits [B, H, W, K], one vector a
    pixel, and has no `class_map`; its class says so by `per_pixel`.

    With `num_classes=0` the head is left out: the result is the pooled features [B, C], or with
    `class_map` their map. With `features_only` it is the maps at each stride (`FeatureMaps`).

    Raises ModelError for a name or a field that does not exist, naming the nearest ones that do,
    and OwnError for a network of your own that does not fit.
    """
    if own.is_reference(name):
        if features_only:
            raise ModelError(f"features_only is for the networks of list_models(), not for {name}")
        return own_network(name, overrides)
    _, module, fields = _row(name)
    known = fields_of(module)
    for field in overrides:
        if field not in known:
            raise ModelError(f"{name} has no field {field!r}; its fields are {', '.join(known)}")
    if features_only:
        network = module(**{**fields, **overrides, "num_classes": 0}, parent=None)
        return FeatureMaps(network=network, levels=levels_of(network))
    if (classes := overrides.get("num_classes", 1)) < 0:
        raise ModelError(f"num_classes is {classes}; it must be 0 (no head) or more")
    return module(**{**fields, **overrides})


def has_field(name: str, field: str) -> bool:
    """Whether the network `name` has the `field`: one of your own need not have `num_classes`.

    Raises ModelError or OwnError as `create_model` does.
    """
    module = own_class(name) if own.is_reference(name) else _row(name)[1]
    return field in fields_of(module)


def _row(name: str) -> tuple[str, type[nn.Module], dict[str, Any]]:
    """(family, module class, fields) of a variant; raises ModelError where there is none."""
    variants = _variants()
    if name not in variants:
        hint, known = did_you_mean(name, variants), ", ".join(sorted(variants))
        raise ModelError(f"there is no model {name!r}{hint}; there are {known}")
    return variants[name]
