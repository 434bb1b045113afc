"""What each of JAX's operations is in ONNX, for the operations that these networks consist of."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcnn.export.graph import (
    MAP_RANK,
    NCHW,
    Const,
    Graph,
    Value,
    common_axes,
    constant_along,
    unsupported,
)

UNARY = {
    "exp": "Exp", "log": "Log", "neg": "Neg", "sqrt": "Sqrt", "tanh": "Tanh", "logistic": "Sigmoid", "abs": "Abs",
}  # fmt: skip
BINARY = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min", "pow": "Pow"}  # fmt: skip
SAME = ("copy", "copy_p", "stop_gradient", "name", "sharding_constraint", "optimization_barrier")
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
        return x._replace(name=g.add("Clip", [node.inputs[0], np.float32(0).reshape(()), np.asarray(number, np.float32)]))  # fmt: skip
    if op == "Div" and node.op == "ReduceSum" and number == node.attributes["reduced"]:
        return x._replace(name=g.add("ReduceMean", node.inputs, keepdims=0))
    if op == "Div" and node.op == "Mul" and "area" in node.attributes:
        return _mean_over_windows(g, x, const, node)
    if node.op in LINEAR and op in ("Add", "Sub", "Mul", "Div"):
        return _into_layer(g, op, x, const, node)
    return None


def _into_layer(g: Graph, op: str, x: Value, const: Const, node: Any) -> Value | None:
    """Scale or shift of the output channels, done to the weights; None where it is something else."""
    channels = len(x.shape) - 1
    weights, bias = node.inputs[1:]
    features = weights.shape[0]
    if const.data.size not in (1, features) or const.data.shape[channels:] not in (
        (1,),
        (features,),
    ):
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
    return elementwise(g, "Mul", [x._replace(name=pool.output), Const(share, (1, *x.shape[1:3], 1))], x.shape)  # fmt: skip


def _counts(attributes: dict[str, Any], side: tuple[int, int], out: tuple[int, ...]) -> np.ndarray:
    """How many pixels of the map, padding apart, each window covers: [H', W']."""
    rows = []
    for axis in (0, 1):
        start = np.arange(out[axis]) * attributes["strides"][axis] - attributes["pads"][axis]
        end = np.minimum(start + attributes["kernel_shape"][axis], side[axis])
        rows.append(end - np.maximum(start, 0))
    return np.outer(*rows)


def conv(g: Graph, x: Value, kernel: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A convolution, NCHW inside; its scale and offsets are folded in later."""
    spec, plain = p["dimension_numbers"], all(d == 1 for d in p["lhs_dilation"])
    if (spec.lhs_spec, spec.rhs_spec, spec.out_spec) != (NCHW, (3, 2, 0, 1), NCHW) or not plain:
        raise unsupported(f"a convolution with {spec}", g.scope)
    weights = np.ascontiguousarray(kernel.data.transpose(3, 2, 0, 1), np.float32)  # [O, I, kh, kw]
    (top, bottom), (left, right) = p["padding"]
    name = g.add(
        "Conv", [g.full(x, NCHW), weights, np.zeros(len(weights))],
        kernel_shape=list(weights.shape[2:]), strides=list(p["window_strides"]), group=p["feature_group_count"],
        pads=[top, left, bottom, right], dilations=list(p["rhs_dilation"]),
    )  # fmt: skip
    return Value.whole(name, shape, NCHW)


def product(g: Graph, x: Value, kernel: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A linear layer; one that reads a flattened map takes its rows in the order C, H, W."""
    if p["dimension_numbers"] != (((1,), (0,)), ((), ())) or kernel.data.ndim != 2:
        raise unsupported(f"a product with {p['dimension_numbers']}", g.scope)
    data, name = kernel.data, None
    source = x.flat_of
    if source and source.axes == NCHW and source.sizes == tuple(source.shape[a] for a in NCHW):
        height, width, channels = source.shape[1:]
        data = data.reshape(height, width, channels, -1).transpose(2, 0, 1, 3)  # [C, H, W, F]
        data = data.reshape(-1, data.shape[-1])
        name = g.add("Flatten", [source.name], axis=1)  # [B, C * H * W]
    weights = np.ascontiguousarray(data.T, np.float32)  # [F, N], as PyTorch stores it
    name = name or g.full(x, (0, 1))
    return Value.whole(g.add("Gemm", [name, weights, np.zeros(len(weights))], transB=1), shape)


def window(g: Graph, x: Value, p: dict[str, Any], shape: tuple[Any, ...], mean: bool) -> Value:
    """Maximum, or with `mean` the sum, over windows of two dimensions."""
    dims, strides, padding = (p[k] for k in ("window_dimensions", "window_strides", "padding"))
    dilated = any(d != 1 for d in (*p["base_dilation"], *p["window_dilation"]))
    if len(dims) != MAP_RANK or (dims[0], dims[3]) != (1, 1) or dilated:
        raise unsupported(f"windows of {dims}", g.scope)
    pads = [int(padding[axis][side]) for side in (0, 1) for axis in (1, 2)]
    attributes = dict(kernel_shape=list(dims[1:3]), strides=list(strides[1:3]), pads=pads)
    if not mean:
        return Value.whole(g.add("MaxPool", [g.full(x, NCHW)], **attributes), shape, NCHW)
    pooled = g.add("AveragePool", [g.full(x, NCHW)], count_include_pad=1, **attributes)
    area = dims[1] * dims[2]
    total = g.add("Mul", [pooled, np.asarray(area, np.float32)], area=area, side=x.shape[1:3])
    return Value.whole(total, shape, NCHW)


def reduce_sum(g: Graph, x: Value, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A sum over axes; axes of one entry are only dropped."""
    gone = p["axes"]
    kept = [a for a in range(len(x.shape)) if a not in gone]
    real = [a for a in gone if x.shape[a] != 1]
    if any(x.size(a) == 1 for a in real):
        x = Value.whole(g.full(x, tuple(range(len(x.shape)))), x.shape)
    name, axes = x.name, x.axes
    if real:
        places = np.array([axes.index(a) for a in real])
        count = math.prod(x.shape[a] for a in real)
        name = g.add("ReduceSum", [name, places], keepdims=0, reduced=count)
        axes = tuple(a for a in axes if a not in real)
    rest = Value(name, x.shape, axes, tuple(x.size(a) for a in axes))
    name = g.moved(rest, tuple(a for a in axes if a in kept))
    axes = tuple(a for a in axes if a in kept)
    return Value(name, shape, tuple(kept.index(a) for a in axes), tuple(x.size(a) for a in axes))


def response(g: Graph, x: Value, p: dict[str, Any]) -> Value:
    """AlexNet's normalisation across channels; with groups, one operator for each group."""
    if p["size"] % 2 == 0:
        raise unsupported(f"response normalisation over an even number of channels, {p['size']}", g.scope)  # fmt: skip
    name, channels = g.full(x, NCHW), x.shape[3] // p["groups"]
    attributes = dict(size=p["size"], alpha=p["alpha"] * p["size"], beta=p["beta"], bias=p["k"])
    parts = [
        g.add("LRN", [part], **attributes)
        for part in (
            _slice(g, name, 1, i * channels, (i + 1) * channels, 1) if p["groups"] > 1 else name
            for i in range(p["groups"])
        )
    ]
    return Value.whole(
        g.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0], x.shape, NCHW
    )


def _slice(g: Graph, name: str, place: int, start: int, stop: int, step: int) -> str:
    return g.add("Slice", [name, *(np.array([n]) for n in (start, stop, place, step))])


def crop(g: Graph, x: Value, ranges: dict[int, tuple[int, int, int]], shape: tuple) -> Value:
    """The entries (start, stop, step) along logical axes."""
    axes = NCHW if len(x.shape) == MAP_RANK else tuple(range(len(x.shape)))
    name = g.full(x, axes)
    for axis, (start, stop, step) in ranges.items():
        name = _slice(g, name, axes.index(axis), start, stop, step)
    return Value.whole(name, shape, axes)


def gather(g: Graph, x: Value, where: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """Every s-th pixel: what `x[:, ::s, ::s]` is once the batch is open."""
    numbers, axes = p["dimension_numbers"], p["dimension_numbers"].start_index_map
    if numbers.collapsed_slice_dims != axes or where.data.ndim != len(axes) + 1:
        raise unsupported("this gathering", g.scope)
    ranges = {}
    for i, axis in enumerate(axes):
        line = np.moveaxis(where.data[..., i], i, 0)  # [n, ...]: the same along all other axes
        places = line.reshape(len(line), -1)
        step = int(places[1, 0] - places[0, 0]) if len(places) > 1 else 1
        expected = places[0, 0] + step * np.arange(len(places))
        if not np.array_equal(places, np.broadcast_to(expected[:, None], places.shape)) or step < 1:
            raise unsupported("this gathering", g.scope)
        ranges[axis] = (int(places[0, 0]), int(expected[-1]) + 1, step)
    return crop(g, x, ranges, shape)


def pad(g: Graph, x: Value, value: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A constant border; negative widths cut."""
    widths = [(int(low), int(high)) for low, high, _ in p["padding_config"]]
    if any(inner for *_, inner in p["padding_config"]):
        raise unsupported("padding between pixels", g.scope)
    ranges = {
        a: (max(0, -low), x.shape[a] - max(0, -high), 1)
        for a, (low, high) in enumerate(widths)
        if min(low, high) < 0
    }
    inner = tuple(
        n if min(w) >= 0 else n + min(0, w[0]) + min(0, w[1])
        for n, w in zip(x.shape, widths, strict=True)
    )
    x = crop(g, x, ranges, inner)
    if all(max(w) <= 0 for w in widths):
        return x._replace(shape=shape)
    ends = [max(0, widths[a][side]) for side in (0, 1) for a in x.axes]
    name = g.add("Pad", [x.name, np.array(ends), np.asarray(value.data, np.float32).reshape(())])
    return Value.whole(name, shape, x.axes)


def concatenate(g: Graph, operands: list[Any], p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """Tensors side by side."""
    if not all(isinstance(x, Value) for x in operands):
        raise unsupported("a concatenation with constants", g.scope)
    axes = NCHW if len(shape) == MAP_RANK else tuple(range(len(shape)))
    names = [g.full(x, axes) for x in operands]
    return Value.whole(g.add("Concat", names, axis=axes.index(p["dimension"])), shape, axes)


Handler = Callable[[Graph, list[Any], dict[str, Any], tuple[Any, ...]], Any]
HANDLERS: dict[str, Handler] = {
    "conv_general_dilated": lambda g, x, p, s: conv(g, x[0], x[1], p, s),
    "dot_general": lambda g, x, p, s: product(g, x[0], x[1], p, s),
    "reduce_window_max": lambda g, x, p, s: window(g, x[0], p, s, mean=False),
    "reduce_window_sum": lambda g, x, p, s: window(g, x[0], p, s, mean=True),
    "reduce_sum": lambda g, x, p, s: reduce_sum(g, x[0], p, s),
    "local_response_norm": lambda g, x, p, s: response(g, x[0], p),
    "concatenate": concatenate,
    "pad": lambda g, x, p, s: pad(g, x[0], x[1], p, s),
    "gather": lambda g, x, p, s: gather(g, x[0], x[1], p, s),
    "slice": lambda g, x, p, s: crop(g, x[0], {a: (lo, hi, st) for a, (lo, hi, st) in enumerate(zip(p["start_indices"], p["limit_indices"], p["strides"] or (1,) * len(s), strict=True)) if isinstance(hi, int)}, s),
    "square": lambda g, x, p, s: elementwise(g, "Mul", [x[0], x[0]], s),
    "rsqrt": lambda g, x, p, s: unary(g, "Reciprocal", unary(g, "Sqrt", x[0])),
    "integer_pow": lambda g, x, p, s: elementwise(g, "Pow", [x[0], Const(np.full((1,) * len(s), p["y"], np.float32), s)], s),
    **{name: (lambda op: lambda g, x, p, s: unary(g, op, x[0]))(op) for name, op in UNARY.items()},
    **{name: (lambda op: lambda g, x, p, s: binary(g, op, x, s))(op) for name, op in BINARY.items()},
    **{name: lambda g, x, p, s: x[0] for name in SAME},
}  # fmt: skip
ELEMENTWISE = frozenset({*UNARY, *BINARY, *SAME, "square", "rsqrt", "integer_pow", "convert_element_type", "select_n"})  # fmt: skip
