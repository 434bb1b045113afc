"""Which network of torchvision or timm a trained network is, so that it can take the weights."""

import dataclasses
from typing import Any

from jaxcnn.errors import ExportError
from jaxcnn.models import create_model
from jaxcnn.weights.ports import PORTS, Port

LIBRARIES = ("torchvision", "timm")
# Fields that change training, the head or the types of numbers, and not what the layers compute.
FREE = frozenset(
    [
        "aux_dropout_rate",
        "aux_heads",
        "bn_group_size",
        "bn_momentum",
        "class_map",
        "dropout_rate",
        "dtype",
        "hidden_init",
        "input_shape",
        "kernel_init",
        "name",
        "narrow_init",
        "num_classes",
        "parent",
        "stochastic_depth_rate",
        "zero_init_residual",
    ]
)


def port_of(metadata: dict[str, Any]) -> tuple[str, Port]:
    """(name, port) of the checkpoint's network.

    Raises ExportError where neither library has the network, or where it differs from theirs in a
    field, naming the field.
    """
    model, args = metadata["model"], metadata["model_args"]
    ports = {n: p for n, p in PORTS.items() if p.model == model and p.library in LIBRARIES}
    if not ports:
        raise ExportError(
            f"neither torchvision nor timm has {model}, so its weights have no names there; export "
            "it as onnx or stablehlo"
        )
    ours = create_model(model, **args)
    differing: dict[str, list[str]] = {}
    for name, port in ports.items():
        theirs = create_model(model, **port.fields)
        fields = [field.name for field in dataclasses.fields(ours) if field.name not in FREE]
        differing[name] = [f for f in fields if getattr(ours, f) != getattr(theirs, f)]
        if not differing[name]:
            return name, port
    name = min(differing, key=lambda n: len(differing[n]))
    raise ExportError(
        f"this {model} differs from {ports[name].library}'s {ports[name].entry} in "
        f"{', '.join(differing[name])}, so the weights would mean something else there; export it "
        "as onnx or stablehlo"
    )


def port_fields(metadata: dict[str, Any]) -> dict[str, Any]:
    """The fields that `weights.torch` must be told: the size of the head, whether it has others."""
    args = metadata["model_args"]
    return {key: args[key] for key in ("num_classes", "aux_heads") if key in args}
