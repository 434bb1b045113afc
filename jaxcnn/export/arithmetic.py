"""Arithmetic element by element in ONNX, and its folding into the layer before it."""

from typing import Any

import numpy as np

from jaxcnn.export.graph import Const, Graph, Value, common_axes, constant_along

UNARY = {
    "abs": "Abs",
    "exp": "Exp",
    "log": "Log",
    "logistic": "Sigmoid",
    "neg": "Neg",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}
BINARY = {
    "add": "Add",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "pow": "Pow",
    "sub": "Sub",
}
LINEAR = ("Conv", "Gemm")


def elementwise(g: Graph, op: str, operands: list[Any], shape: tuple[Any, ...]) -> Value:
    """An operator that broadcasts, in an order of axes that fits its operands."""
    axes = common_axes(operands)
    names = [
        constant_along(x, axes) if isinstance(x, Const) else g.moved(x, axes) for x in operands
    ]
    sizes = tuple(next((x.size(a) for x in operands if str(x.size(a)) != "1"), 1) for a in axes)
    return Value(g.add(op, names), shape, axes, sizes)


def unary(g: Graph, op: str, x: Value) -> Value:
    """An operator of one tensor, whatever its axes."""
    return Value(g.add(op, [x.name]), x.shape, x.axes, x.sizes)


def binary(g: Graph, op: str, operands: list[Any], shape: tuple[Any, ...]) -> Any:
    """Arithmetic of two operands; with a constant it is folded into the layer before, if it can."""
    left, right = operands
    if isinstance(left, Const) and op in ("Add", "Mul", "Max", "Min"):
        left, right = right, left
    if isinstance(left, Value) and isinstance(right, Const):
        folded = _folded(g, op, left, right)
        if folded:
            return folded._replace(shape=shape)
    return elementwise(g, op, [left, right], shape)


def _folded(g: Graph, op: str, x: Value, const: Const) -> Value | None:
    node = g.made.get(x.name)
    number = const.data.reshape(-1)[0] if const.data.size == 1 else None
    if op in ("Mul", "Div") and number == 1:
        return x
    if op == "Max" and number == 0:
        return unary(g, "Relu", x)
    if node is None:
        return None
    if op == "Min" and node.op == "Relu" and number is not None:
        bounds = [np.array(0, np.float32), np.array(number, np.float32)]
        return x._replace(name=g.add("Clip", [node.inputs[0], *bounds]))
    if op == "Div" and node.op == "ReduceSum" and number == node.attributes["reduced"]:
        return x._replace(name=g.add("ReduceMean", node.inputs, keepdims=0))
    if op == "Div" and node.op == "Mul" and "area" in node.attributes:
        return _mean_over_windows(g, x, const, node)
    if node.op in LINEAR and op in ("Add", "Sub", "Mul", "Div"):
        return _into_layer(g, op, x, const, node)
    return None


def _into_layer(g: Graph, op: str, x: Value, const: Const, node: Any) -> Value | None:
    """Scale or shift of the output channels, done to the weights; None for anything else."""
    channels = len(x.shape) - 1
    weights, bias = node.inputs[1:]
    features = weights.shape[0]
    whole = const.data.shape[channels:] in ((1,), (features,))
    if const.data.size not in (1, features) or not whole:
        return None
    if len(x.axes) < 2 or x.axes[1] != channels:
        return None
    c = np.broadcast_to(const.data.reshape(-1).astype(np.float64), (features,))
    if op in ("Add", "Sub"):
        bias = bias + (c if op == "Add" else -c)
    else:
        c = c if op == "Mul" else 1 / c
        weights = (weights * c.reshape(-1, *(1,) * (weights.ndim - 1))).astype(np.float32)
        bias = bias * c
    name = g.add(node.op, [node.inputs[0], weights, bias], **node.attributes)
    return x._replace(name=name)


def _mean_over_windows(g: Graph, x: Value, const: Const, node: Any) -> Value | None:
    """A sum over windows divided by their sizes, as one AveragePool; counts as the model counts."""
    pool, area = g.made[node.inputs[0]], node.attributes["area"]
    counts = np.broadcast_to(const.data[0, :, :, 0], x.shape[1:3])
    if np.all(counts == area):
        return x._replace(name=pool.output)
    if np.array_equal(counts, _counts(pool.attributes, node.attributes["side"], x.shape[1:3])):
        attributes = {**pool.attributes, "count_include_pad": 0}
        return x._replace(name=g.add("AveragePool", pool.inputs, **attributes))
    share = (area / counts).astype(np.float32)[None, :, :, None]
    corrected = Const(share, (1, *x.shape[1:3], 1))
    return elementwise(g, "Mul", [x._replace(name=pool.output), corrected], x.shape)


def _counts(attributes: dict[str, Any], side: tuple[int, int], out: tuple[int, ...]) -> np.ndarray:
    """How many pixels of the map, padding apart, each window covers: [H', W']."""
    rows = []
    for axis in (0, 1):
        start = np.arange(out[axis]) * attributes["strides"][axis] - attributes["pads"][axis]
        end = np.minimum(start + attributes["kernel_shape"][axis], side[axis])
        rows.append(end - np.maximum(start, 0))
    return np.outer(*rows)
