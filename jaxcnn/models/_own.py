"""A network of the user's, by "package.module:Class"."""

import inspect
from typing import Any

import flax.linen as nn

from jaxcnn import own
from jaxcnn.errors import OwnError, did_you_mean

NETWORK = (
    "class NAME(flax.linen.Module) with __call__(self, images, train: bool = False) -> logits "
    "[B, num_classes], float32"
)


def own_class(reference: str) -> type[nn.Module]:
    """The class that `reference` names; raises OwnError where it is no network."""
    found = own.find(reference, NETWORK)
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise OwnError(f"{reference} is no class of a flax.linen network; expected {NETWORK}")
    if not any("__call__" in vars(base) for base in found.__mro__):
        raise OwnError(f"{reference} has no method __call__; expected {NETWORK}")
    own.check_call(found.__call__, reference, NETWORK, "self", "images", train=True)
    own.check_call(found.__call__, reference, NETWORK, "self", "images")
    return found


def own_network(reference: str, overrides: dict[str, Any]) -> nn.Module:
    """The network that `reference` names with these fields; raises OwnError where it has others."""
    network = own_class(reference)
    known = fields_of(network)
    for field in overrides:
        if field not in known:
            raise OwnError(
                f"{reference} has no field {field!r}{did_you_mean(field, known)}; its fields are "
                f"{', '.join(known) or 'none'}"
            )
    try:
        return network(**overrides)
    except TypeError as error:  # a field without a default
        raise OwnError(f"{reference} cannot be made: {error}; set it in model_args") from None


def fields_of(network: type[nn.Module]) -> list[str]:
    """The names of a network's fields, without those that every linen module has."""
    fields: dict[str, Any] = network.__dataclass_fields__  # type: ignore[attr-defined]
    return sorted(name for name in fields if name not in ("parent", "name"))
