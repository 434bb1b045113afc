"""A network's forward pass in plain operations, as a function that any exporter can trace."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxcnn import ops
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import ExportError

Array = jax.Array

INPUTS = ("normalised", "pixels")
LAYOUTS = ("nhwc", "nchw")
OUTPUTS = ("logits", "class_map", "features")


def forward(
    model: nn.Module,
    preprocess: Preprocess,
    *,
    takes: str = "normalised",
    layout: str = "nhwc",
    outputs: tuple[str, ...] = ("logits",),
    target: Callable[[], contextlib.AbstractContextManager[None]] = ops.portable,
) -> Callable[[Any, Array], tuple[Array, ...]]:
    """f(variables, images) -> the `outputs` of `model` in evaluation, computed in float32.

    With `takes` "normalised" the images are float32 as the network sees them, with "pixels" uint8
    of the network's size, normalised inside. `layout` is that of the images and of every map that
    is put out. `logits` are [B, K], `class_map` [B, h, w, K] is the classifier at every position of
    the last map, `features` is what the head reads. `target` is the context for which the
    operations are traced (see `ops.target`). Raises ExportError for a word that is none of these,
    and for an output that the network does not have.
    """
    _check("input", (takes,), INPUTS)
    _check("layout", (layout,), LAYOUTS)
    _check("output", outputs, OUTPUTS)
    if "class_map" in outputs and not hasattr(model, "class_map"):
        raise ExportError(
            f"{type(model).__name__} has no class map; leave class_map out of --outputs"
        )
    network: Any = model.clone(dtype=jnp.float32) if hasattr(model, "dtype") else model
    offset, std = preprocess.offset(), np.asarray(preprocess.std, np.float32)

    def run(variables: Any, images: Array) -> tuple[Array, ...]:
        if layout == "nchw":
            images = jnp.transpose(images, (0, 2, 3, 1))  # [B, H, W, C]
        if takes == "pixels":
            images = (images.astype(jnp.float32) - offset[None]) / std.reshape(1, 1, 1, -1)
        with target():
            found = _outputs(network, variables, images, outputs)
        if layout == "nhwc":
            return found
        return tuple(jnp.transpose(x, (0, 3, 1, 2)) if x.ndim == 4 else x for x in found)

    return run


def _check(what: str, given: tuple[str, ...], known: tuple[str, ...]) -> None:
    for word in given:
        if word not in known:
            raise ExportError(f"there is no {what} {word!r}; there are {', '.join(known)}")
    if not given or len(set(given)) != len(given):
        raise ExportError(
            f"every {what} is named once, and one at least; there are {', '.join(known)}"
        )


def _outputs(network: Any, variables: Any, images: Array, outputs: tuple[str, ...]):
    found: dict[str, Any] = {}
    if "class_map" in outputs:
        found["class_map"] = network.clone(class_map=True).apply(variables, images)  # [B, h, w, K]
    if outputs != ("class_map",):
        logits, state = network.apply(
            variables,
            images,
            capture_intermediates=lambda module, _: module.name == "features",
            mutable=["intermediates"],
        )
        found["logits"] = logits  # [B, K]
        captured = list(flatten_dict(state.get("intermediates", {})).values())
        if "features" in outputs and len(captured) != 1:
            raise ExportError(
                f"{type(network).__name__} has {len(captured)} layers named features where one is "
                "expected; leave features out of --outputs"
            )
        if captured:
            found["features"] = captured[0][0]  # [B, h, w, C], or [B, N] before a linear head
    return tuple(found[name] for name in outputs)


def arrays(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters and running statistics of `variables`, as float32 NumPy arrays."""
    kinds = {kind: variables[kind] for kind in ("params", "batch_stats") if variables.get(kind)}
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), kinds)


def example(preprocess: Preprocess, takes: str, layout: str, batch: int) -> np.ndarray:
    """A batch of random images, another for every size: uint8 or float32, in the given layout."""
    side, rng = preprocess.image_size, np.random.default_rng(batch)
    shape = (batch, side, side, preprocess.channels)
    pixels = rng.integers(0, 256, shape, np.uint8)
    if layout == "nchw":
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))  # [B, C, H, W]
    if takes == "pixels":
        return pixels
    return ((pixels.astype(np.float32) - 127.5) / 64).astype(np.float32)
