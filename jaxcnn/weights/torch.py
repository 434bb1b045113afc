"""PyTorch state dicts <-> variables: the layout changes, names from `jaxcnn.weights.ports`. torch itself is needed for export only.

A convolution's weight is [O, I, kh, kw] there and [kh, kw, I, O] here, grouped and depthwise ones too; a linear layer's is [O, N] there
and [N, O] here, and where N is a flattened map its order is C, H, W there and H, W, C here. BatchNorm's weight, running_mean and
running_var are scale, mean and var; its num_batches_tracked counts steps, has no counterpart, and is written as 0.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util

from jaxcnn.models import create_model
from jaxcnn.weights.ports import Port, find, translate

LEAVES = {
    "kernel": "weight",
    "bias": "bias",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
COUNTER = "num_batches_tracked"


class Leaf(NamedTuple):
    """One array under both names: `path` and `shape` here; `theirs` is its name there, `window` the side of a map that it flattens."""

    path: tuple[str, ...]
    shape: tuple[int, ...]
    theirs: str
    window: int

    @property
    def their_shape(self) -> tuple[int, ...]:
        if len(self.shape) == 4:
            kh, kw, inputs, outputs = self.shape
            return (outputs, inputs, kh, kw)
        return self.shape[::-1]


def from_torch(name: str, state_dict: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The variables {"params": ..., "batch_stats": ...} of `name` (see `ports.PORTS`) from a state dict of tensors or NumPy arrays.

    `fields` are fields of the network in which it differs from its row, such as `num_classes=10`; with `aux_heads=False` the auxiliary
    heads of the state dict, if it has any, are left out. The leaves are NumPy float32 arrays; a network without BatchNorm has empty
    `batch_stats`. Raises ValueError with one line for every
    missing, unexpected and misshapen entry.
    """
    port = find(name)
    leaves = _leaves(name, **fields)
    state = {key: value for key, value in state_dict.items() if not key.endswith(COUNTER)}
    if port.aux and not fields.get("aux_heads", True):
        state = {key: value for key, value in state.items() if not key.startswith(port.aux)}
    wanted = {leaf.theirs: leaf.their_shape for leaf in leaves}
    _check(
        f"the state dict does not fit {name}",
        {key: tuple(value.shape) for key, value in state.items()},
        wanted,
        port,
    )
    arrays = {leaf.path: _to_ours(_numpy(state[leaf.theirs]), leaf) for leaf in leaves}
    return {"params": {}, "batch_stats": {}} | traverse_util.unflatten_dict(arrays)


def to_torch(name: str, variables: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The inverse of `from_torch`, to the bit: the state dict {name: tensor} that the port of `name` loads.

    Raises ValueError as `from_torch` does, and ImportError where torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise ImportError(
            "weights.to_torch makes torch tensors and torch is not installed: pip install -e '.[torch]'"
        ) from None
    arrays = to_arrays(name, variables, **fields)
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def to_arrays(name: str, variables: Mapping[str, Any], **fields: Any) -> dict[str, np.ndarray]:
    """`to_torch` as NumPy arrays, for `safetensors.numpy.save_file` where torch is not installed."""
    leaves = _leaves(name, **fields)
    flat: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(dict(variables))  # pyright: ignore[reportAssignmentType]
    wanted = {"/".join(leaf.path): leaf.shape for leaf in leaves}
    _check(
        f"the variables do not fit {name}",
        {"/".join(path): tuple(np.shape(value)) for path, value in flat.items()},
        wanted,
        find(name),
    )
    state = {}
    for leaf in leaves:
        state[leaf.theirs] = _to_theirs(_numpy(flat[leaf.path]), leaf)
        if leaf.path[-1] == "var":
            state[leaf.theirs.removesuffix("running_var") + COUNTER] = np.zeros((), np.int64)
    return state


@functools.lru_cache(maxsize=64)
def _leaves(name: str, **fields: Any) -> tuple[Leaf, ...]:
    """Every array of the network, from its abstract initialisation; nothing is computed."""
    port = find(name)
    model = create_model(port.model, **{**port.fields, **fields})
    images = jax.ShapeDtypeStruct((1, *model.input_shape), np.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    kinds = {kind: variables[kind] for kind in ("params", "batch_stats") if kind in variables}
    shapes: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(kinds)  # pyright: ignore[reportAssignmentType]
    leaves = []
    for path, leaf in shapes.items():
        module, window = translate("/".join(path[1:-1]), port.rows)
        leaves.append(Leaf(path, leaf.shape, f"{module}.{LEAVES[path[-1]]}", window))
    return tuple(leaves)


def _numpy(value: Any) -> np.ndarray:
    """A tensor (of any device and precision) or array as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    return np.asarray(value, np.float32)


def _to_ours(array: np.ndarray, leaf: Leaf) -> np.ndarray:
    if array.ndim == 1:
        return array.copy()
    if array.ndim == 2:
        array = array.reshape(
            array.shape[0], -1, leaf.window, leaf.window
        )  # [O, C, window, window]
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0)).reshape(
        leaf.shape
    )  # [kh, kw, I, O] or [N, O]


def _to_theirs(array: np.ndarray, leaf: Leaf) -> np.ndarray:
    if array.ndim == 1:
        return array.copy()
    if array.ndim == 2:
        array = array.reshape(
            leaf.window, leaf.window, -1, array.shape[-1]
        )  # [window, window, C, O]
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1)).reshape(
        leaf.their_shape
    )  # [O, I, kh, kw] or [O, N]


def _check(what: str, found: Mapping[str, tuple], wanted: Mapping[str, tuple], port: Port) -> None:
    """Raises ValueError with every name that only one side has, or whose shape differs."""
    missing = [key for key in wanted if key not in found]
    unexpected = [key for key in found if key not in wanted]
    misshapen = [key for key in wanted if key in found and found[key] != wanted[key]]
    if not (missing or unexpected or misshapen):
        return
    lines = [
        f"{what}: {len(missing)} missing, {len(unexpected)} unexpected, {len(misshapen)} misshapen{_hint(missing, misshapen, port)}"
    ]
    lines += [
        f"  missing     {key}: found nothing, expected {_shape(wanted[key])}" for key in missing
    ]
    lines += [
        f"  unexpected  {key}: found {_shape(found[key])}, expected nothing" for key in unexpected
    ]
    lines += [
        f"  misshapen   {key}: found {_shape(found[key])}, expected {_shape(wanted[key])}"
        for key in misshapen
    ]
    raise ValueError("\n".join(lines))


def _hint(missing: list[str], misshapen: list[str], port: Port) -> str:
    """What to pass where only the auxiliary heads are absent, or only the last layers have another size."""
    tops = [
        key.removeprefix("params/").rpartition("/")[0] or key.rpartition(".")[0]
        for key in misshapen
    ]
    if port.aux and missing and all(key.startswith((port.aux, *port.our_aux)) for key in missing):
        return "; pass aux_heads=False for the network without its auxiliary heads"
    if misshapen and not missing and len(set(tops)) <= 3:
        return "; pass num_classes=... if the weights are for another number of classes"
    return ""


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
