"""What a network costs: parameters, multiply-adds, activations and receptive field, layer by layer.

Everything is read off one abstract trace of the network at its own input size: nothing is allocated
and nothing runs.

A layer is a module that calls no other module. A layer with a `kernel` of two axes is linear, with
more axes a convolution; its multiply-adds are the kernel's size times the positions it is applied
at, whatever lowering computes them (no bias, no normalisation, no pooling). The activation memory
is that of all layers' outputs for one image, 4 bytes a number: what a backward pass in float32
keeps, activation functions being computed in place. Auxiliary heads, which are dropped at test
time, count as parameters only.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jax import lax
from jax.extend.core import Primitive, Var

from jaxcnn.layers import Activation, SqueezeExcite
from jaxcnn.layers.upsample import Upsample
from jaxcnn.models import create_model, list_models

# Stands in a trace between a layer and what reads it: layer(x, y) is y, and remembers that the
# layer `index` made y from x.
layer_p = Primitive("layer")
layer_p.def_abstract_eval(lambda x, y, *, index: y)


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer, and what it costs for one image."""

    path: str  # in the parameter tree
    type: str  # its class
    kind: str  # "convolution", "linear" or "other"
    output: tuple[int, ...]  # shape
    params: int
    macs: int
    window: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and to the left


@dataclasses.dataclass(frozen=True)
class Summary:
    """The costs of a network at `input_shape`.

    `params` are with the auxiliary heads, which have `aux_params` of them. `receptive_field` is the
    height and width of the image that one position of the last feature map sees.
    """

    model: str
    family: str
    input_shape: tuple[int, ...]
    params: int
    conv_params: int
    linear_params: int
    aux_params: int
    macs: int
    activation_bytes: int
    receptive_field: tuple[int, int]
    layers: tuple[Layer, ...]

    @property
    def other_params(self) -> int:
        """Parameters of all other layers: normalisation, trainable subsampling."""
        return self.params - self.conv_params - self.linear_params


def summarize(name: str, **overrides: Any) -> Summary:
    """The costs of `create_model(name, **overrides)`.

    Raises ValueError for an unknown name or field.
    """
    model = create_model(name, **overrides)
    kinds, sizes, layers, field = _trace(model, model.input_shape)
    params = sum(sizes.values())
    aux = 0
    if getattr(model, "aux_heads", False):
        _, without, layers, field = _trace(model.clone(aux_heads=False), model.input_shape)
        aux = params - sum(without.values())
    return Summary(
        model=name,
        family=list_models()[name],
        input_shape=tuple(model.input_shape),
        params=params,
        conv_params=sum(
            size for path, size in sizes.items() if kinds.get(path[:-1]) == "convolution"
        ),
        linear_params=sum(size for path, size in sizes.items() if kinds.get(path[:-1]) == "linear"),
        aux_params=aux,
        macs=sum(layer.macs for layer in layers),
        activation_bytes=4 * sum(math.prod(layer.output) for layer in layers),
        receptive_field=field,
        layers=tuple(layers),
    )


def forward_macs(model: Any, input_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of one image [H, W, C] through `model`; auxiliary heads left out."""
    plain = {"aux_heads": False} if getattr(model, "aux_heads", False) else {}
    _, _, layers, _ = _trace(model.clone(**plain), input_shape)
    return sum(layer.macs for layer in layers)


def _trace(model: nn.Module, input_shape: Sequence[int]):
    """One image [H, W, C] through `model`.

    Returns ({layer's path: kind}, {parameter's path: size}, layers in order, receptive field).
    """
    layers: list[Layer] = []
    has_children = [False]

    def watch(call, args, kwargs, context):
        if context.method_name != "__call__":
            return call(*args, **kwargs)
        has_children.append(False)
        y = call(*args, **kwargs)
        composite, has_children[-1] = has_children.pop(), True
        # its gate sees the whole image, and is left out of the receptive field
        if isinstance(context.module, SqueezeExcite):
            return layer_p.bind(args[0], y, index=None)
        if composite or not args or y is args[0]:  # dropout that is off is no layer
            return y
        if isinstance(context.module, Activation):  # computed in place
            return y
        layers.append(_layer(context.module, args[0], y))
        return layer_p.bind(args[0], y, index=len(layers) - 1)

    images = jax.ShapeDtypeStruct((1, *input_shape), jnp.float32)
    with nn.intercept_methods(watch):
        jaxpr, shapes = jax.make_jaxpr(model.init, return_shape=True)(
            jax.eval_shape(jax.random.key, 0), images
        )
    kinds = {tuple(layer.path.split("/")): layer.kind for layer in layers}
    params: dict[tuple[str, ...], Any] = flatten_dict(shapes["params"])
    sizes = {path: math.prod(leaf.shape) for path, leaf in params.items()}
    return kinds, sizes, layers, _receptive_field(jaxpr.jaxpr, layers)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _layer(module: nn.Module, x: jax.Array, y: jax.Array) -> Layer:
    """The row of a `module` that has just made y [1, ..., C'] from x [1, ..., C]."""
    params = module.variables.get("params", {})
    kernel = params.get("kernel")
    window = stride = (1, 1)
    kind, macs = "other", 0
    if isinstance(module, Upsample):  # like pooling, not counted, learned or not
        kernel = None
    if kernel is not None:
        kind = "linear" if kernel.ndim == 2 else "convolution"
        macs = kernel.size * math.prod(y.shape[1:-1])
    if kernel is not None and kind == "convolution":
        window, stride = kernel.shape[:2], _pair(getattr(module, "stride", 1))
    elif hasattr(module, "window") and hasattr(module, "stride"):
        window, stride = _pair(module.window), _pair(module.stride)
    elif kind == "other" and x.ndim == y.ndim == 4 and x.shape[1:3] != y.shape[1:3]:
        # subsampling by windows that do not overlap
        window = stride = (x.shape[1] // y.shape[1], x.shape[2] // y.shape[2])
    padding = getattr(module, "padding", 0)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(x.shape[1:3], window, stride, padding)
    top, left = (p if isinstance(p, int) else p[0] for p in _pair(padding))
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    return Layer(
        path="/".join(module.path),
        type=type(module).__name__,
        kind=kind,
        output=y.shape[1:],
        params=size,
        macs=macs,
        window=window,
        stride=stride,
        before=(top, left),
    )


def _receptive_field(jaxpr: Any, layers: list[Layer]) -> tuple[int, int]:
    """Rows and columns of the image that one position of the last feature map depends on.

    The last feature map is the one before the first linear layer, or the result. For each array and
    axis, position i depends on rows lo + i * jump to hi + i * jump. What is no layer works position
    by position.
    """
    images = jaxpr.invars[-1]
    known = {images: ((0, 0, 1), (0, 0, 1))}  # (lo, hi, jump) of both axes
    last = known[images]
    for eqn in jaxpr.eqns:
        inputs = [known[v] for v in eqn.invars if isinstance(v, Var) and v in known]
        if not inputs:
            continue
        last = tuple(_union(axis) for axis in zip(*inputs, strict=True))
        if eqn.primitive is layer_p:
            last = known[eqn.invars[0]]
            layer = None if eqn.params["index"] is None else layers[eqn.params["index"]]
            if layer is not None and layer.kind == "linear":
                break
            if layer is not None:
                geometry = zip(last, layer.window, layer.stride, layer.before, strict=True)
                last = tuple(
                    (lo - p * j, hi + (w - 1 - p) * j, j * s) for (lo, hi, j), w, s, p in geometry
                )
        known |= dict.fromkeys(eqn.outvars, last)
    rows, columns = (hi - lo + 1 for lo, hi, _ in last)
    return rows, columns


def _union(axis: tuple[tuple[int, int, int], ...]) -> tuple[int, int, int]:
    """What a position depends on that reads all of several arrays: the outermost rows."""
    lows, highs, jumps = zip(*axis, strict=True)
    return min(lows), max(highs), max(jumps)
