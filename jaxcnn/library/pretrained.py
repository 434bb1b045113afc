"""Networks that start from given weights, with their head, another one, or none."""

import pathlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.checkpoint.layout import holds_checkpoint
from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.errors import WeightsError
from jaxcnn.models import create_model
from jaxcnn.weights.files import check_readers, read
from jaxcnn.weights.ports import find
from jaxcnn.weights.published import convert
from jaxcnn.weights.torch import from_torch

LISTED = 5  # layers that a message names
Flat = dict[tuple[str, ...], Any]


def pretrained_model(
    name: str, path: pathlib.Path, fields: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """(network, its variables) with the weights at `path`; see `create_model`.

    Raises WeightsError where they are of another network, or do not fit its `fields`.
    """
    given, model_name, own = _given(name, path, fields)
    model = create_model(model_name, **own | dict(fields))
    wanted = _shapes(model)
    flat: Flat = traverse_util.flatten_dict(given)  # pyright: ignore[reportAssignmentType]
    missing = {p for p in wanted if p not in flat or np.shape(flat[p]) != wanted[p].shape}
    strange = sorted("/".join(p) for p in missing - _heads(model_name, own, fields))
    if strange:
        raise WeightsError(
            f"the weights in {path} do not fit {name} with {dict(fields)}: {len(strange)} arrays "
            f"are missing or of another shape, such as {', '.join(strange[:LISTED])}"
        )
    fresh = _drawn(model, missing) if missing else {}
    variables = {p: fresh[p] if p in missing else np.asarray(flat[p]) for p in wanted}
    return model, {"params": {}, "batch_stats": {}} | traverse_util.unflatten_dict(variables)


def _given(
    name: str, path: pathlib.Path, asked: Mapping[str, Any]
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """(variables, network's name, the fields that make it) of the weights at `path`."""
    if holds_checkpoint(path):
        variables, metadata = load_variables(path)
        if metadata["model"] != name:
            raise WeightsError(f"{path} holds weights of {metadata['model']}, not of {name}")
        fields = {key: _hashable(value) for key, value in metadata.get("model_args", {}).items()}
        return variables, name, fields
    check_readers(str(path))
    state, port = read(path), find(name)
    classes = 0 if asked.get("features_only") else asked.get("num_classes")
    if classes == 0:
        return from_torch(name, state, num_classes=0), port.model, dict(port.fields)
    variables, fields = convert(name, state, classes, jax.random.key(0))
    return variables, port.model, fields


def _hashable(value: Any) -> Any:
    """What JSON made a list of as a tuple again."""
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _shapes(model: Any) -> Flat:
    """The shapes of a network's parameters and running statistics."""
    network = getattr(model, "network", model)  # that of FeatureMaps
    images = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    kept = {kind: variables[kind] for kind in ("params", "batch_stats") if kind in variables}
    return traverse_util.flatten_dict(kept)  # pyright: ignore[reportReturnType]


def _heads(name: str, own: Mapping[str, Any], fields: Mapping[str, Any]) -> set[tuple[str, ...]]:
    """The arrays whose shape the number of classes changes, where there is a head."""
    plain = {k: v for k, v in (dict(own) | dict(fields)).items() if k != "features_only"}
    classes = plain.get("num_classes")
    if not classes or fields.get("features_only"):
        return set()
    shapes, other = (
        _shapes(create_model(name, **plain | {"num_classes": n})) for n in (classes, classes + 1)
    )
    return {path for path in shapes if shapes[path].shape != other[path].shape}


def _drawn(model: Any, paths: set[tuple[str, ...]]) -> Flat:
    """Fresh arrays of these paths, from seed 0; the others are not computed."""
    images = np.zeros((1, *model.input_shape), np.float32)

    @jax.jit
    def draw(key: jax.Array) -> dict[str, jax.Array]:
        drawn: Any = traverse_util.flatten_dict(model.init(key, images))
        return {"/".join(path): drawn[path] for path in paths}

    drawn = draw(jax.random.key(0))
    return {path: np.asarray(drawn["/".join(path)]) for path in paths}
