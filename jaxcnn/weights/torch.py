"""PyTorch state dicts to variables and back; torch itself is needed for export only.

Names come from `weights.ports`, and the layout changes. A convolution's weight is [O, I, kh, kw]
there and [kh, kw, I, O] here, grouped and depthwise ones too; a linear layer's is [O, N] there and
[N, O] here, and where N is a flattened map its order is C, H, W there and H, W, C here. BatchNorm's
weight, running_mean and running_var are scale, mean and var; its num_batches_tracked counts steps,
has no counterpart, and is written as 0.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from jaxcnn.weights.leaves import Leaf, count_classes, leaves
from jaxcnn.weights.misfits import check_state, check_variables
from jaxcnn.weights.ports import find

COUNTER = "num_batches_tracked"


def from_torch(name: str, state_dict: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The variables of the network `name` from a state dict of tensors or NumPy arrays.

    Args:
      name: one of `ports.PORTS`.
      state_dict: {their name: array}.
      fields: fields of the network in which it differs from its row. The number of classes is that
        of the weights unless `num_classes` is given; 0 leaves the head out. With
        `aux_heads=False` the auxiliary heads of the state dict, if it has any, are left out.

    Returns:
      {"params": ..., "batch_stats": ...} of NumPy float32 arrays; a network without BatchNorm has
      empty `batch_stats`.

    Raises:
      WeightsError: naming missing, unexpected and misshapen entries, and what they look like.
    """
    port = find(name)
    state = {key: value for key, value in state_dict.items() if not key.endswith(COUNTER)}
    if port.aux and not fields.get("aux_heads", True):
        state = {key: value for key, value in state.items() if not key.startswith(port.aux)}
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    classes = count_classes(port, shapes)
    whole = {"num_classes": classes} if classes else {}
    headless = fields.get("num_classes") == 0
    wanted = leaves(name, **(fields | whole if headless else whole | fields))
    check_state(name, shapes, {leaf.theirs: leaf.their_shape for leaf in wanted})
    if headless:
        wanted = leaves(name, **fields)
    arrays = {leaf.path: _to_ours(_numpy(state[leaf.theirs]), leaf) for leaf in wanted}
    return {"params": {}, "batch_stats": {}} | traverse_util.unflatten_dict(arrays)


def to_torch(name: str, variables: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """The inverse of `from_torch`, to the bit: the state dict {name: tensor} that the port loads.

    Raises WeightsError as `from_torch` does, and ImportError where torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise ImportError(
            "weights.to_torch makes torch tensors and torch is not installed: pip install torch"
        ) from None
    arrays = to_arrays(name, variables, **fields)
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def to_arrays(name: str, variables: Mapping[str, Any], **fields: Any) -> dict[str, np.ndarray]:
    """`to_torch` as NumPy arrays: for `safetensors.numpy.save_file` where there is no torch."""
    wanted = leaves(name, **fields)
    flat: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(dict(variables))  # pyright: ignore[reportAssignmentType]
    check_variables(
        name,
        {"/".join(path): tuple(np.shape(value)) for path, value in flat.items()},
        {"/".join(leaf.path): leaf.shape for leaf in wanted},
    )
    state = {}
    for leaf in wanted:
        state[leaf.theirs] = _to_theirs(_numpy(flat[leaf.path]), leaf)
        if leaf.path[-1] == "var":
            state[leaf.theirs.removesuffix("running_var") + COUNTER] = np.zeros((), np.int64)
    return state


def _numpy(value: Any) -> np.ndarray:
    """A tensor (of any device and precision) or array as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().float().numpy()
    return np.asarray(value, np.float32)


def _to_ours(array: np.ndarray, leaf: Leaf) -> np.ndarray:
    if array.ndim == 2:
        array = array.reshape(
            array.shape[0], -1, leaf.window, leaf.window
        )  # [O, C, window, window]
    if array.ndim == 4:
        array = array.transpose(2, 3, 1, 0)  # [kh, kw, I, O]
    array = np.array(array, order="C").reshape(leaf.shape)  # [kh, kw, I, O], [N, O] or [O]
    if leaf.orders.inputs:
        array = array[..., list(leaf.orders.inputs), :]
    if leaf.orders.outputs:
        array = array[..., list(leaf.orders.outputs)]
    return array


def _to_theirs(array: np.ndarray, leaf: Leaf) -> np.ndarray:
    if leaf.orders.outputs:
        array = array[..., np.argsort(leaf.orders.outputs)]
    if leaf.orders.inputs:
        array = array[..., np.argsort(leaf.orders.inputs), :]
    if array.ndim == 2:
        window, outputs = leaf.window, array.shape[-1]
        array = array.reshape(window, window, -1, outputs)  # [window, window, C, O]
    if array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)  # [O, I, kh, kw]
    return np.array(array, order="C").reshape(leaf.their_shape)  # [O, I, kh, kw], [O, N] or [O]
