"""Where a network begins and ends: the check of its images, and its logits."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.errors import ModelError
from jaxcnn.layers.basic import FullyConnected, Identity

Array = jax.Array


def check_images(images: Array, smallest: int, name: str) -> None:
    """Raises ModelError unless `images` are [B, H, W, C] with C of 1 or 3, large enough.

    Height and width must have `smallest` pixels or more.
    """
    found = f"{name} was given an array of shape {tuple(images.shape)}"
    if images.ndim != 4:
        raise ModelError(f"{found}; expected images [batch, height, width, channels]")
    if min(images.shape[1:3]) < smallest:
        raise ModelError(f"{found}; the smallest image it can take is {smallest}x{smallest} pixels")
    if images.shape[3] not in (1, 3):
        raise ModelError(f"{found}; expected 1 (grey) or 3 (RGB) channels in the last axis")


def pooled_head(
    x: Array,
    num_classes: int,
    *,
    dropout_rate: float,
    train: bool,
    class_map: bool,
    name: str = "fc",
    **dense: Any,
) -> Array:
    """Global average pooling, dropout and one linear layer: [B, H, W, C] -> logits [B, K].

    With `class_map` the linear layer is applied at every position instead, [B, H, W, K]: its mean
    over the map is the logits, and a class's slice is its class activation map plus the bias (Zhou
    et al. 2016). The map that the head reads is named `features`; the result is float32. With
    `num_classes` 0 that map is the result, or its mean [B, C]. Call it inside a module's compact
    method.
    """
    x = Identity(name="features")(x)
    if not num_classes:
        return as_logits(x, class_map)  # [B, C] or [B, H, W, C]
    if not class_map:
        x = jnp.mean(x, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
    x = nn.Dropout(dropout_rate)(x, deterministic=not train)
    x = FullyConnected(num_classes, dtype=x.dtype, name=name, **dense)(x)  # [B, 1 or H, 1 or W, K]
    return as_logits(x, class_map)


def as_logits(x: Array, class_map: bool) -> Array:
    """The class map [B, H, W, K] in float32, or its mean over the map, the logits [B, K].

    Of a map of features [B, H, W, C] likewise: the map, or the pooled features. Every device has
    all of the result.
    """
    with jax.named_scope("logits"):
        x = x.astype(jnp.float32)
        return ops.whole(x if class_map else jnp.mean(x, axis=(1, 2)))  # [B, K]
