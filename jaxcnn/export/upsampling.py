"""What enlarges maps: transposed convolutions, and products with a matrix along one axis."""

from typing import Any

import numpy as np

from jaxcnn.export.graph import MAP_RANK, NCHW, Const, Graph, Value, unsupported


def transposed_conv(
    g: Graph, x: Value, kernel: Const, p: dict[str, Any], shape: tuple[Any, ...]
) -> Value:
    """A convolution over pixels with zeros between them, which ONNX calls ConvTranspose.

    Its kernel is the convolution's, turned by 180 degrees.
    """
    steps = (*p["window_strides"], *p["rhs_dilation"], p["feature_group_count"])
    if any(step != 1 for step in steps):
        raise unsupported("a transposed convolution with strides, dilation or groups", g.scope)
    weights = kernel.data[::-1, ::-1].transpose(2, 3, 0, 1)  # [I, O, kh, kw]
    sides = weights.shape[2:]
    (top, bottom), (left, right) = p["padding"]
    name = g.add(
        "ConvTranspose", [g.full(x, NCHW), np.ascontiguousarray(weights, np.float32)],
        kernel_shape=list(sides), strides=list(p["lhs_dilation"]),
        pads=[sides[0] - 1 - top, sides[1] - 1 - left, sides[0] - 1 - bottom, sides[1] - 1 - right],
    )  # fmt: skip
    return Value.whole(name, shape, NCHW)


def along_an_axis(
    g: Graph, x: Value, matrix: Const, p: dict[str, Any], shape: tuple[Any, ...]
) -> Value:
    """The product of a map with a matrix [O, I] over rows or columns, which become the last axis.

    No map is turned for it: the matrix is multiplied from the left or from the right.
    """
    ((axis,), (inner,)), batches = p["dimension_numbers"]
    place = NCHW.index(axis)
    if batches != ((), ()) or inner != 1 or place < 2:
        raise unsupported(f"a product with {p['dimension_numbers']}", g.scope)
    order, weights = NCHW, np.asarray(matrix.data, np.float32)  # [O, I]
    if sorted(x.axes) == list(range(MAP_RANK)) and axis in x.axes[2:]:
        order, place = x.axes, x.axes.index(axis)
    name = g.full(x, order)
    operands = [weights, name] if place == MAP_RANK - 2 else [name, weights.T]
    moved = tuple(MAP_RANK - 1 if a == axis else a - (a > axis) for a in order)
    return Value.whole(g.add("MatMul", operands), shape, moved)
