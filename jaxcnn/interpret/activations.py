"""The maps inside a network by their layers' paths: captured, or with their gradients.

A layer's path is the one of its parameters, "stage1/block2/conv1". Pooling, normalisation and
activations are modules without parameters and have paths too ("pool5", "relu5_3"); `features` is
the last map before the head.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from jaxcnn.errors import ConfigError, did_you_mean

Array = jax.Array
# What is explained: a class for each image [B], or a function of the logits [B, K] -> [B].
Targets = Array | Sequence[int] | Callable[[Array], Array]

FEATURES = "features"  # the path of the map that the head reads, in every family
LISTED = 24  # layers that a sentence can list


def layer_shapes(model: nn.Module, variables: Any, shape: Sequence[int]) -> dict[str, tuple]:
    """{path: shape of the output [B, ...]} of every module of `model`, in the order of its calls.

    `shape` is that of the images, [B, H, W, C]. Nothing is computed. Modules that give no single
    array, or that are called several times, are left out.
    """
    leaves, tree = jax.tree.flatten(variables)
    kinds = tuple((tuple(leaf.shape), jnp.dtype(leaf.dtype)) for leaf in leaves)
    return dict(_layer_shapes(model, tree, kinds, tuple(shape)))


@functools.lru_cache(maxsize=64)  # a trace takes longer than most networks take for an image
def _layer_shapes(model: nn.Module, tree: Any, kinds: tuple, shape: tuple) -> dict[str, tuple]:
    shapes: dict[str, tuple] = {}
    calls: collections.Counter[str] = collections.Counter()

    def record(
        method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext
    ) -> Any:
        output = method(*args, **kwargs)
        path = "/".join(context.module.path)
        if path and context.method_name == "__call__" and hasattr(output, "shape"):
            shapes[path] = tuple(output.shape)
            calls[path] += 1
        return output

    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*kind) for kind in kinds])
    with nn.intercept_methods(record):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    return {path: shape for path, shape in shapes.items() if calls[path] == 1}


def check_layer(shapes: dict[str, tuple], layer: str) -> str:
    """`layer`; raises ConfigError, which says what layers there are, where it is none of them."""
    if layer not in shapes:
        paths = list(shapes)
        listed = ", ".join(paths)
        if len(paths) > LISTED:
            listed = f"{len(paths)} layers: {', '.join(paths[:4])} ... {', '.join(paths[-4:])}"
        near = did_you_mean(layer, shapes)
        raise ConfigError(f"there is no layer {layer!r}{near}; there are {listed}")
    return layer


def check_map(shapes: dict[str, tuple], layer: str) -> str:
    """`layer`; raises ConfigError where it does not exist or its output has no positions."""
    shape = shapes[check_layer(shapes, layer)]
    if len(shape) != 4 or shape[1] * shape[2] == 1:
        raise ConfigError(
            f"layer {layer!r} gives {list(shape[1:])}, which has no positions to show; "
            "name an earlier one"
        )
    return layer


def default_layer(model: nn.Module, variables: Any, shape: Sequence[int]) -> str:
    """The layer that is explained where none is named: the map that the head reads.

    Where that map is a pooled one (AlexNet, VGG) it still has positions; the last pooling is its
    output.
    """
    return head_map(layer_shapes(model, variables, shape))


def head_map(shapes: dict[str, tuple]) -> str:
    """`features`, or in a network of one's own without it the last map that has positions.

    `shapes` are those of `layer_shapes`. Raises ConfigError where there is neither.
    """
    maps = [path for path, s in shapes.items() if len(s) == 4 and s[1] * s[2] > 1]
    return check_layer(shapes, FEATURES if FEATURES in shapes or not maps else maps[-1])


def capture(model: nn.Module, variables: Any, images: Array, layers: Sequence[str]) -> dict:
    """The outputs of `layers` for images, {path: [B, ...]}, and the logits, {"logits": [B, K]}.

    Images are normalised, [B, H, W, C]. Raises ConfigError for a layer that does not exist.
    """
    shapes = layer_shapes(model, variables, images.shape)
    for layer in layers:
        check_layer(shapes, layer)
    return _captured(model, tuple(layers), variables, images)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _captured(model: nn.Module, layers: tuple[str, ...], variables: Any, images: Array) -> dict:
    def wanted(module: nn.Module, method: str) -> bool:
        return method == "__call__" and "/".join(module.path) in layers

    logits, kept = model.apply(
        variables, images, train=False, capture_intermediates=wanted, mutable=["intermediates"]
    )
    flat: Any = flatten_dict(kept.get("intermediates", {}), sep="/")
    maps = {path.removesuffix("/__call__"): calls[0] for path, calls in flat.items()}
    return maps | {"logits": logits}


def either(function: Callable | None, classes: Array | None) -> Targets:
    """What is explained: the function, or else the classes."""
    if function is not None:
        return function
    assert classes is not None
    return classes


def target_scores(logits: Array, targets: Targets) -> Array:
    """What is explained of logits [B, K] -> [B]: each image's class, or what the function says."""
    if callable(targets):
        return targets(logits)
    classes = jnp.asarray(targets)
    return jnp.take_along_axis(logits, classes[:, None], axis=1)[:, 0]


def intercepted(layer: str, change: Callable[[Array], Array]) -> Callable[..., Any]:
    """An interceptor for `nn.intercept_methods` that passes `layer`'s output through `change`."""

    def run(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        output = method(*args, **kwargs)
        called = context.method_name == "__call__"
        if called and "/".join(context.module.path) == layer:
            return change(output)
        return output

    return run


def with_layer_changed(
    model: nn.Module, variables: Any, images: Array, layer: str, change: Callable[[Array], Array]
) -> Array:
    """Logits [B, K] of `model` when the output of `layer` is passed through `change`."""
    with nn.intercept_methods(intercepted(layer, change)):
        return model.apply(variables, images, train=False)  # type: ignore[return-value]


def gradient_at(
    model: nn.Module, variables: Any, images: Array, layer: str, targets: Targets
) -> tuple[Array, Array]:
    """The activation of `layer` and the gradient of each image's target score by it, each [B, ...].

    Both come from one forward and one backward pass. Normalised images [B, H, W, C]; `targets` as
    in `target_scores`. Raises ConfigError for a layer that the network does not have.
    """
    shape = layer_shapes(model, variables, images.shape)
    check_layer(shape, layer)
    function = targets if callable(targets) else None
    classes = None if callable(targets) else jnp.asarray(targets)
    return _gradient_at(model, layer, function, variables, images, classes)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _gradient_at(
    model: nn.Module,
    layer: str,
    function: Callable | None,
    variables: Any,
    images: Array,
    classes: Array | None,
) -> tuple[Array, Array]:
    def score(zero: Array | None) -> tuple[Array, Array]:
        kept = []

        def keep(output: Array) -> Array:
            kept.append(output)
            return output if zero is None else output + zero

        logits = with_layer_changed(model, variables, images, layer, keep)
        return jnp.sum(target_scores(logits, either(function, classes))), kept[0]

    zero = jax.eval_shape(lambda: score(None)[1])
    zero = jnp.zeros(zero.shape, zero.dtype)
    # Images do not see each other in evaluation, so the gradient of the sum is each image's own.
    gradient, activation = jax.grad(score, has_aux=True)(zero)
    return activation, gradient
