"""Occlusion (Zeiler & Fergus 2014, section 4.2): a grey square hides one part after another."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture, check_layer, intercepted, layer_shapes

Array = jax.Array
AT_ONCE = 16  # positions of the square in one batch


class Occlusion(NamedTuple):
    """Maps over positions of the square, which is `size` pixels wide.

    In row i its top is at `tops[i]`, in column j its left side at `lefts[j]`, in pixels.
    """

    probability: np.ndarray  # [B, n, m] of the class that is asked for
    label: np.ndarray  # [B, n, m]: the most probable class
    # [B, n, m]: the sum of the layer's map that is strongest without the square.
    activity: np.ndarray | None
    strongest: np.ndarray | None  # [B]: the channel of that map
    tops: np.ndarray
    lefts: np.ndarray
    size: int


def occlusion(
    model: nn.Module,
    variables: Any,
    images: Array,
    classes: Array,
    *,
    size: int,
    stride: int,
    fill: float = 0.0,
    layer: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """What `model` gives for images in which a square of `size` pixels is set to `fill`.

    Normalised images [B, H, W, C], so a `fill` of 0 is the mean colour. The square moves by `stride` pixels over all places inside the image. With `layer` the sum of
    that layer's strongest map is recorded too (figure 7 b). Raises ConfigError for a square that
    does not fit.
    """
    height, width = images.shape[1:3]
    if not 1 <= size <= min(height, width) or stride < 1:
        raise ConfigError(
            f"a square of {size} pixels moved by {stride} does not fit an image of "
            f"{height}x{width}; size and stride are at least 1 and the square lies inside the image"
        )
    tops, lefts = (np.arange(0, side - size + 1, stride) for side in (height, width))
    places = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1).reshape(-1, 2)
    strongest = None
    if layer:
        check_layer(layer_shapes(model, variables, images.shape), layer)
        maps = capture(model, variables, images, [layer])[layer]
        strongest = jnp.argmax(jnp.sum(maps, axis=(1, 2)), axis=-1)  # [B]
    chunks = []
    for start in range(0, len(places), AT_ONCE):
        some = jnp.asarray(np.resize(places[start : start + AT_ONCE], (AT_ONCE, 2)))
        values = _hidden(model, layer, size, variables, images, classes, strongest, some, fill)
        chunks.append(jax.device_get(values))
        if progress:
            progress(min(len(places), start + AT_ONCE), len(places))

    def on_grid(name: str) -> np.ndarray:
        rows = np.concatenate([chunk[name] for chunk in chunks])[: len(places)]  # [n m, B]
        return rows.T.reshape(len(images), len(tops), len(lefts))

    return Occlusion(
        probability=on_grid("probability"),
        label=on_grid("label"),
        activity=on_grid("activity") if layer else None,
        strongest=None if strongest is None else np.asarray(strongest),
        tops=tops,
        lefts=lefts,
        size=size,
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _hidden(
    model: nn.Module,
    layer: str,
    size: int,
    variables: Any,
    images: Array,
    classes: Array,
    strongest: Array | None,
    places: Array,
    fill: float,
) -> dict[str, Array]:
    """{probability, label and, with a layer, activity: [P, B]}, the square at `places` [P, 2]."""
    inside = [
        (jnp.arange(side)[None, :] >= at[:, None])
        & (jnp.arange(side)[None, :] < at[:, None] + size)
        for side, at in zip(images.shape[1:3], places.T, strict=True)
    ]  # [P, H], [P, W]
    square = inside[0][:, :, None] & inside[1][:, None, :]  # [P, H, W]
    hidden = jnp.where(square[:, None, :, :, None], fill, images[None])  # [P, B, H, W, C]
    kept: list[Array] = []

    def keep(output: Array) -> Array:
        kept.append(output)
        return output

    with nn.intercept_methods(intercepted(layer, keep)):
        batch = hidden.reshape(-1, *images.shape[1:])  # [P B, H, W, C]
        logits: Any = model.apply(variables, batch, train=False)
    count = len(places), len(images)
    wanted = jnp.tile(jnp.asarray(classes), len(places))[:, None]  # [P B, 1]
    shares = jnp.take_along_axis(jax.nn.softmax(logits), wanted, axis=1)
    seen = {
        "probability": shares.reshape(count),
        "label": jnp.argmax(logits, axis=1).reshape(count),
    }  # [P, B]
    if strongest is not None:
        sums = jnp.sum(kept[0], axis=(1, 2))  # [P B, C]
        channel = jnp.tile(strongest, len(places))[:, None]
        seen["activity"] = jnp.take_along_axis(sums, channel, axis=1).reshape(count)
    return seen
