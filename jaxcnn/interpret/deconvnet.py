"""The deconvnet (Zeiler & Fergus 2014): what excited an activation, and which patches do.

Going back from a layer, max pooling puts values where its winners were, a ReLU passes positive
values only, and a convolution is transposed. Through overlapping pooling windows the values of one
place are added up (the gradient's way; unpooling by switches would keep the last), and response
normalisation is passed straight through.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers, ops
from jaxcnn.interpret.activations import capture, check_map, layer_shapes
from jaxcnn.interpret.attribution import Rule, check_relus, deconvolved, with_rule

Array = jax.Array
Box = tuple[int, int, int, int]  # top, left, height, width in pixels of the network's input


def deconvnet(
    model: nn.Module, variables: Any, images: Array, layer: str, channels: Array
) -> Array:
    """The strongest activation of channel `channels[b]` of `layer` projected back to the pixels.

    Normalised images [B, H, W, C] -> [B, H, W, C]. Raises ConfigError where `layer` does not exist
    or is no map, and for a network without ReLUs.
    """
    check_map(layer_shapes(model, variables, images.shape), layer)
    check_relus(model, variables, images.shape)
    return _project(model, layer, deconvolved, variables, images, jnp.asarray(channels))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _project(
    model: nn.Module, layer: str, rule: Rule, variables: Any, images: Array, channels: Array
) -> Array:
    def activations(images: Array) -> Array:
        return _output_of(model, variables, images, layer, with_rule(rule))

    maps, back = jax.vjp(activations, images)  # [B, h, w, C]
    chosen = jax.nn.one_hot(channels, maps.shape[3], dtype=maps.dtype)[:, None, None, :]
    of_channel = jnp.max(jnp.where(chosen > 0, maps, -jnp.inf), axis=3, keepdims=True)
    peak = jnp.max(of_channel, axis=(1, 2), keepdims=True)
    first = jnp.argmax((of_channel == peak).reshape(len(maps), -1), axis=1)
    place = jax.nn.one_hot(first, maps.shape[1] * maps.shape[2], dtype=maps.dtype)
    place = place.reshape(*maps.shape[:3], 1)  # [B, h, w, 1]
    return back(maps * chosen * place)[0]


class _Reached(Exception):
    """Ends a forward pass at the layer that is looked for."""


def _output_of(
    model: nn.Module, variables: Any, images: Array, layer: str, inner: Callable[..., Any]
) -> Array:
    """The output of `layer` [B, h, w, C] under the interceptor `inner`; what follows is not run."""
    kept: list[Array] = []

    def run(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        module, called = context.module, context.method_name == "__call__"
        output = method(*args, **kwargs)
        if called and isinstance(module, layers.LocalResponseNorm):
            output = args[0] + jax.lax.stop_gradient(output - args[0])  # straight through
        if called and "/".join(module.path) == layer:
            kept.append(output)
            raise _Reached
        return output

    try:
        with nn.intercept_methods(run), nn.intercept_methods(inner):
            model.apply(variables, images, train=False)
    except _Reached:
        pass
    return kept[0]


class Patch(NamedTuple):
    """One of the strongest responses of a channel."""

    value: float
    index: int  # of the image, in the order in which the batches gave them
    row: int  # position in the layer's map
    column: int


def top_patches(
    model: nn.Module,
    variables: Any,
    batches: Iterable[Array],
    layer: str,
    *,
    channels: Iterable[int],
    most: int = 9,
) -> dict[int, list[Patch]]:
    """The `most` strongest responses of each channel over batches of images, the strongest first.

    Normalised batches [B, H, W, C] -> {channel: patches}, at most one an image.
    """
    found: dict[int, list[Patch]] = {channel: [] for channel in channels}
    start = 0
    for images in batches:
        maps = np.asarray(capture(model, variables, images, [layer])[layer], np.float32)
        for channel, patches in found.items():
            flat = maps[..., channel].reshape(len(maps), -1)  # [B, h w]
            for row, at in enumerate(flat.argmax(axis=1)):
                place = divmod(int(at), maps.shape[2])
                patches.append(Patch(float(flat[row, at]), start + row, *place))
            patches.sort(key=lambda patch: -patch.value)
            del patches[most:]
        start += len(maps)
    return found


def receptive_box(
    model: nn.Module, variables: Any, shape: tuple[int, int, int], layer: str, row: int, column: int
) -> Box:
    """The part of an image of `shape` [H, W, C] that one position of `layer` can see.

    Found as the support of a gradient in a network of the same geometry without anything that could
    be zero: kernels of ones, means in place of maxima, no activations, no normalisation and no
    gates over the whole map.
    """
    ones = jax.tree.map(lambda x: jnp.ones(jnp.shape(x), jnp.float32), variables)

    def seen(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if context.method_name != "__call__":
            return method(*args, **kwargs)
        if isinstance(module, layers.MaxPool):
            return ops.avg_pool(
                args[0], module.window, module.stride, padding=module.padding, ceil=module.ceil
            )
        transparent = (layers.BatchNorm, layers.LocalResponseNorm, layers.Activation)
        if isinstance(module, (*transparent, layers.SqueezeExcite)):
            return args[0]
        return method(*args, **kwargs)

    def value(image: Array) -> Array:
        return jnp.sum(_output_of(model, ones, image[None], layer, seen)[0, row, column])

    with ops.portable():
        gradient = np.asarray(jax.grad(value)(jnp.ones(shape, jnp.float32)))
    rows, columns = (np.flatnonzero(np.abs(gradient).sum(axis=axes)) for axes in ((1, 2), (0, 2)))
    top, left = int(rows[0]), int(columns[0])
    return top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
