"""What each of JAX's operations is in ONNX, for the operations that these networks consist of."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxcnn.export.arithmetic import BINARY, UNARY, binary, elementwise, unary
from jaxcnn.export.graph import MAP_RANK, NCHW, Const, Graph, Value, unsupported
from jaxcnn.export.reshapes import concatenate, crop, gather, pad, part_of
from jaxcnn.export.upsampling import along_an_axis, transposed_conv

SAME = ("copy", "copy_p", "stop_gradient", "name", "sharding_constraint", "optimization_barrier")
# Operations that may be computed on numbers before they are repeated.
ELEMENTWISE = frozenset(
    {*UNARY, *BINARY, *SAME, "convert_element_type", "integer_pow", "rsqrt", "select_n", "square"}
)


def conv(g: Graph, x: Value, kernel: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A convolution, NCHW inside; its scale and offsets are folded in later."""
    if not isinstance(kernel, Const):
        raise unsupported("a convolution by a kernel that is computed", g.scope)
    spec = p["dimension_numbers"]
    if (spec.lhs_spec, spec.rhs_spec, spec.out_spec) != (NCHW, (3, 2, 0, 1), NCHW):
        raise unsupported(f"a convolution with {spec}", g.scope)
    if any(d != 1 for d in p["lhs_dilation"]):
        return transposed_conv(g, x, kernel, p, shape)
    weights = np.ascontiguousarray(kernel.data.transpose(3, 2, 0, 1), np.float32)  # [O, I, kh, kw]
    (top, bottom), (left, right) = p["padding"]
    name = g.add(
        "Conv", [g.full(x, NCHW), weights, np.zeros(len(weights))],
        kernel_shape=list(weights.shape[2:]), strides=list(p["window_strides"]),
        pads=[top, left, bottom, right], dilations=list(p["rhs_dilation"]),
        group=p["feature_group_count"],
    )  # fmt: skip
    return Value.whole(name, shape, NCHW)


def product(g: Graph, x: Value, kernel: Const, p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    """A linear layer; one that reads a flattened map takes its rows in the order C, H, W."""
    if len(x.shape) == MAP_RANK and isinstance(kernel, Const) and kernel.data.ndim == 2:
        return along_an_axis(g, x, kernel, p, shape)
    plain = p["dimension_numbers"] == (((1,), (0,)), ((), ()))
    if not plain or not isinstance(kernel, Const) or kernel.data.ndim != 2:
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
        even = f"response normalisation over an even number of channels, {p['size']}"
        raise unsupported(even, g.scope)
    name, channels = g.full(x, NCHW), x.shape[3] // p["groups"]
    attributes = dict(size=p["size"], alpha=p["alpha"] * p["size"], beta=p["beta"], bias=p["k"])
    parts = [
        g.add("LRN", [part], **attributes)
        for part in (
            part_of(g, name, 1, i * channels, (i + 1) * channels) if p["groups"] > 1 else name
            for i in range(p["groups"])
        )
    ]
    return Value.whole(
        g.add("Concat", parts, axis=1) if len(parts) > 1 else parts[0], x.shape, NCHW
    )


def _sliced(g: Graph, x: list[Any], p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    steps = p["strides"] or (1,) * len(shape)
    rows = zip(p["start_indices"], p["limit_indices"], steps, strict=True)
    # The batch is never cut, and its limit is no number.
    ranges: dict[int, Any] = {axis: row for axis, row in enumerate(rows) if isinstance(row[1], int)}
    return crop(g, x[0], ranges, shape)


def _power(g: Graph, x: list[Any], p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    exponent = Const(np.full((1,) * len(shape), p["y"], np.float32), shape)
    return elementwise(g, "Pow", [x[0], exponent], shape)


def _unary(op: str) -> "Handler":
    return lambda g, x, p, shape: unary(g, op, x[0])


def _binary(op: str) -> "Handler":
    return lambda g, x, p, shape: binary(g, op, x, shape)


def _same(g: Graph, x: list[Any], p: dict[str, Any], shape: tuple[Any, ...]) -> Value:
    return x[0]


# (graph, operands, the equation's parameters, the result's shape) -> the result.
Handler = Callable[[Graph, list[Any], dict[str, Any], tuple[Any, ...]], Any]
HANDLERS: dict[str, Handler] = {
    "concatenate": concatenate,
    "conv_general_dilated": lambda g, x, p, shape: conv(g, x[0], x[1], p, shape),
    "dot_general": lambda g, x, p, shape: product(g, x[0], x[1], p, shape),
    "gather": lambda g, x, p, shape: gather(g, x[0], x[1], p, shape),
    "integer_pow": _power,
    "local_response_norm": lambda g, x, p, shape: response(g, x[0], p),
    "pad": lambda g, x, p, shape: pad(g, x[0], x[1], p, shape),
    "reduce_sum": lambda g, x, p, shape: reduce_sum(g, x[0], p, shape),
    "reduce_window_max": lambda g, x, p, shape: window(g, x[0], p, shape, mean=False),
    "reduce_window_sum": lambda g, x, p, shape: window(g, x[0], p, shape, mean=True),
    "rsqrt": lambda g, x, p, shape: unary(g, "Reciprocal", unary(g, "Sqrt", x[0])),
    "slice": _sliced,
    "square": lambda g, x, p, shape: elementwise(g, "Mul", [x[0], x[0]], shape),
    **{name: _unary(op) for name, op in UNARY.items()},
    **{name: _binary(op) for name, op in BINARY.items()},
    **dict.fromkeys(SAME, _same),
}
