"""ONNX files, written from the traced network: opset 18, an open batch, maps in NCHW inside."""

import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import export as jax_export

from jaxcnn.errors import ExportError
from jaxcnn.export import reshapes, trace
from jaxcnn.export.graph import Const, Graph, Node, Value, unsupported
from jaxcnn.export.operators import ELEMENTWISE, HANDLERS

OPSET, IR_VERSION = 18, 8
# What belongs to this file's notes and not to the operator.
NOTES = ("reduced", "area", "side")
NUMPY: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "square": np.square,
}


def to_onnx(
    function: Callable[..., tuple[jax.Array, ...]],
    variables: Any,
    image_shape: tuple[int, int, int],
    *,
    dtype: Any,
    outputs: tuple[str, ...],
    batch: int | None = None,
    metadata: dict[str, Any] | None = None,
) -> Any:
    """The ModelProto of `function(variables, images)`; see `portable.forward`.

    `images` have the given shape without the batch; `batch` None leaves it open under the name
    "batch". `metadata` is written as JSON, an entry a key. Raises ExportError for an operation that
    has no form in ONNX here.
    """
    (symbol,) = jax_export.symbolic_shape("batch")
    graph, shape = Graph(), (symbol, *image_shape)
    leaves, tree = jax.tree.flatten(variables)

    def flat(leaves: list[Any], images: jax.Array) -> tuple[jax.Array, ...]:
        return function(jax.tree.unflatten(tree, leaves), images)

    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    closed = trace.trace(flat, shapes, jax.ShapeDtypeStruct(shape, dtype))
    given = [Const(np.asarray(leaf), leaf.shape) for leaf in leaves]
    given.append(Value.whole("images", shape))  # pyright: ignore[reportArgumentType]
    consts = [Const(np.asarray(c), np.shape(c)) for c in closed.consts]
    found = trace.walk(closed.jaxpr, consts, given, lambda *a: [_handle(graph, *a)])
    graph.scope = ""
    names = []
    for value in found:
        if not isinstance(value, Value):
            raise ExportError("an output does not depend on the images; there is nothing to export")
        names.append(graph.full(value, tuple(range(len(value.shape)))))
    sizes = [tuple(value.shape) for value in found]
    return _proto(graph, names, outputs, sizes, (shape, dtype), batch, metadata or {})


def _handle(graph: Graph, equation: Any, inputs: list[Any], scope: str) -> Any:
    """One equation: computed here where everything is known, else written as ONNX."""
    name, p = equation.primitive.name, equation.params
    shape = equation.outvars[0].aval.shape
    graph.scope = scope.partition("/")[2] or scope
    given: list[Any] = [
        x if isinstance(x, Value | Const) else Const(np.asarray(x), np.shape(x)) for x in inputs
    ]
    if name == "broadcast_in_dim":
        return reshapes.broadcast(given[0], p, shape)
    if name == "transpose":
        return reshapes.transpose(given[0], p, shape)
    if all(isinstance(x, Const) for x in given):
        return _computed(equation, given, shape)
    if name in ("reshape", "squeeze", "expand_dims"):
        return reshapes.reshape(graph, given[0], shape)
    if name == "convert_element_type":
        return _cast(graph, equation, given[0])
    if name not in HANDLERS:
        raise unsupported(f"the operation {name}", scope)
    # An operand of rank 0 stands for one number everywhere.
    ranked = [
        Const(x.data.reshape((1,) * len(shape)), shape)
        if name in ELEMENTWISE and x.shape == ()
        else x
        for x in given
    ]
    return HANDLERS[name](graph, ranked, p, shape)


def _computed(equation: Any, given: list[Const], shape: tuple[Any, ...]) -> Const:
    if equation.primitive.name in ELEMENTWISE:
        rank = max(x.data.ndim for x in given)
        arrays = [x.data.reshape((1,) * (rank - x.data.ndim) + x.data.shape) for x in given]
        numbers = np.broadcast_arrays(*arrays)
    else:
        numbers = [np.broadcast_to(x.data, x.shape) for x in given]
    if equation.primitive.name in NUMPY:  # spares compiling for every shape
        return Const(
            NUMPY[equation.primitive.name](*numbers).astype(equation.outvars[0].aval.dtype), shape
        )
    result = equation.primitive.bind(*(np.array(n) for n in numbers), **equation.params)
    return Const(np.asarray(result[0] if isinstance(result, list | tuple) else result), shape)


def _cast(graph: Graph, equation: Any, x: Value) -> Value:
    import onnx

    before, after = equation.invars[0].aval.dtype, equation.params["new_dtype"]
    if before == after:
        return x
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(after))
    return x._replace(name=graph.add("Cast", [x.name], to=int(kind)))


def _proto(
    graph: Graph,
    names: list[str],
    outputs: tuple[str, ...],
    sizes: list[tuple[Any, ...]],
    images: tuple[tuple[Any, ...], Any],
    batch: int | None,
    metadata: dict[str, Any],
) -> Any:
    import onnx
    from onnx import helper

    live, names = graph.live(names)
    nodes, initializers = _written(graph, live)
    for name, output in zip(names, outputs, strict=True):
        nodes.append(helper.make_node("Identity", [name], [output], name=f"{output}/Identity"))

    def info(name: str, dtype: Any, shape: tuple[Any, ...]) -> Any:
        dims = [n if isinstance(n, int) else (batch or "batch") for n in shape]
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, dims)

    results = [info(o, np.float32, s) for o, s in zip(outputs, sizes, strict=True)]
    given = [info("images", images[1], images[0])]
    body = helper.make_graph(nodes, "jaxcnn", given, results, initializers)
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jaxcnn",
    )
    helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(model)
    return model


def _written(graph: Graph, live: list[Node]) -> tuple[list[Any], list[Any]]:
    """The nodes and their arrays, each array once, named after the layer that reads it first."""
    from onnx import helper, numpy_helper

    nodes, stored = [], {}
    for node in live:
        inputs = []
        for place, entry in enumerate(node.inputs):
            if isinstance(entry, str):
                inputs.append(entry)
                continue
            array = entry.astype(np.float32) if entry.dtype == np.float64 else entry
            key = graph.digest(array)
            if key not in stored:
                name = f"{node.output}/{_role(node.op, place)}"
                stored[key] = numpy_helper.from_array(np.require(array, requirements="C"), name)
            inputs.append(stored[key].name)
        attributes = {k: v for k, v in node.attributes.items() if k not in NOTES}
        nodes.append(
            helper.make_node(node.op, inputs, [node.output], name=node.output, **attributes)
        )
    return nodes, list(stored.values())


def _role(op: str, place: int) -> str:
    if op in ("Conv", "Gemm"):
        return ("input", "weight", "bias")[place]
    return f"constant{place}"
