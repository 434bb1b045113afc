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

from jaxcnn.errors import ModelError, did_you_mean


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


def create_model(name: str, **overrides: Any) -> nn.Module:
    """The network `name` (see `list_models`), an `nn.Module`, with `overrides` of its fields.

    Every network has the fields `num_classes`, `dtype`, `dropout_rate`, `class_map` and
    `input_shape`, and the method `smallest_image`. `model.apply(variables, images, train=False)`
    gives float32 logits [B, K] of images [B, H, W, C].

    With `train=True`, running statistics change in the collection `batch_stats`, dropout draws from
    the key `dropout`, and networks with auxiliary heads (GoogLeNet and its descendants) hand their
    logits out in the collection `aux_logits`, one a head. A training loop of your own must ask for
    them, or they are lost without a word, and the heads are never trained:

        logits, state = model.apply(variables, images, train=True, rngs={"dropout": key},
                                    mutable=["batch_stats", "aux_logits"])
        loss = cross_entropy(logits, labels)
        for aux in jax.tree.leaves(state.get("aux_logits", {})):  # [B, K] each
            loss += 0.3 * cross_entropy(aux, labels)

    `aux_heads=False` leaves the heads and their parameters out.

    Raises ModelError for a name or a field that does not exist, naming the nearest ones that do.
    """
    variants = _variants()
    if name not in variants:
        hint, known = did_you_mean(name, variants), ", ".join(sorted(variants))
        raise ModelError(f"there is no model {name!r}{hint}; there are {known}")
    _, module, fields = variants[name]
    known = sorted(f for f in module.__dataclass_fields__ if f not in ("parent", "name"))
    for field in overrides:
        if field not in known:
            raise ModelError(f"{name} has no field {field!r}; its fields are {', '.join(known)}")
    return module(**{**fields, **overrides})
