"""Class activation maps: where in an image the evidence for a class lies, on a layer's grid.

All take a network, its variables and normalised images [B, H, W, C], and give maps [B, h, w] in
units of the target's score (logits). `targets` is a class for each image, or a function of the
logits [B, K] -> [B].
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.checkpoint.variables import check_classifies
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import (
    FEATURES,
    Targets,
    capture,
    check_layer,
    check_map,
    default_layer,
    either,
    gradient_at,
    layer_shapes,
    target_scores,
    with_layer_changed,
)

Array = jax.Array
CHANNELS_AT_ONCE = 32  # channels that ablation_cam switches off in one batch


def class_map(model: nn.Module, variables: Any, images: Array) -> Array:
    """The network's own map of logits [B, h, w, K]: its mean over the map is the logits [B, K].

    For a network with global average pooling a class's slice is its class activation map plus the
    bias; for one with fully connected layers it is the classifier slid over the image (OverFeat;
    VGG section 3.2).
    """
    return _class_map(_with_class_map(model), variables, images)


def class_map_shape(model: nn.Module, variables: Any, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape [B, h, w, K] of `class_map` for images of `shape` [B, H, W, C]."""
    images = jax.ShapeDtypeStruct(tuple(shape), jnp.float32)
    head = _with_class_map(model)
    return tuple(jax.eval_shape(lambda v, x: _class_map(head, v, x), variables, images).shape)


def _with_class_map(model: nn.Module) -> nn.Module:
    """The network that gives its class map; ConfigError for one that has none."""
    check_classifies(model)
    if not hasattr(model, "class_map"):
        raise ConfigError(
            f"{type(model).__name__} has no field class_map, so it has no class map; use grad_cam"
        )
    return model.clone(class_map=True)  # type: ignore[call-arg]


@functools.partial(jax.jit, static_argnums=0)
def _class_map(model: nn.Module, variables: Any, images: Array) -> Array:
    return model.apply(variables, images, train=False)  # type: ignore[return-value]


def cam(model: nn.Module, variables: Any, images: Array, classes: Array | None = None) -> Array:
    """Class activation maps of `classes` [B] -> [B, h, w], or of all -> [B, h, w, K].

    Zhou et al. 2016, eq. 2. The mean of a map plus the class's bias is the logit. (NiN's
    last maps are rectified; there the bias is what they give where the features are zero.) Raises
    ConfigError for a network whose head is not one layer and global average pooling.
    """
    shapes = layer_shapes(model, variables, images.shape)
    head = _with_class_map(model)
    maps = _class_map(head, variables, images)  # [B, h, w, K]
    if maps.shape[1:3] != shapes[check_layer(shapes, FEATURES)][1:3]:
        raise ConfigError(
            f"{type(model).__name__} has fully connected layers, so it has no class activation "
            "maps; use grad_cam, or class_map (the heatmap) for the classifier slid over an image"
        )
    maps = maps - _bias_map(head, variables, images)
    if classes is None:
        return maps
    return jnp.take_along_axis(maps, jnp.asarray(classes)[:, None, None, None], axis=3)[..., 0]


@functools.partial(jax.jit, static_argnums=0)
def _bias_map(head: nn.Module, variables: Any, images: Array) -> Array:
    """What the head gives where the features are zero: its bias, [B, h, w, K]."""
    return with_layer_changed(head, variables, images, FEATURES, jnp.zeros_like)


def grad_cam(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    layer: str = "",
    rectify: bool = True,
) -> Array:
    """Grad-CAM: channels weighted by the mean of their gradients, summed, then ReLU.

    Selvaraju et al. 2017, eq. 1 and 2. For a network with global average pooling it equals
    ReLU(CAM) / (h w).
    """
    activation, gradient = _at(model, variables, images, targets, layer)
    weights = jnp.mean(gradient, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
    return _summed(weights * activation, rectify)


def hires_cam(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    layer: str = "",
    rectify: bool = True,
) -> Array:
    """HiResCAM: every activation times its own gradient, summed over channels, then ReLU.

    Draelos & Carin 2020, section 3.3. Without `rectify` and in a network without biases behind
    `layer` the map sums to the logit.
    """
    activation, gradient = _at(model, variables, images, targets, layer)
    return _summed(gradient * activation, rectify)


def layer_cam(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    layer: str = "",
    rectify: bool = True,
) -> Array:
    """Layer-CAM: every activation times its own positive gradient (Jiang et al. 2021, eq. 6).

    It is meant for early layers too.
    """
    activation, gradient = _at(model, variables, images, targets, layer)
    return _summed(jnp.maximum(gradient, 0) * activation, rectify)


def grad_cam_plus_plus(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    layer: str = "",
    rectify: bool = True,
) -> Array:
    """Grad-CAM++ (Chattopadhyay et al. 2018, eq. 10 and 19) of the exponential of the score.

    Higher derivatives of the exponential are powers of the gradient up to one factor, exp(score),
    which scales the whole map and is left out.
    """
    activation, gradient = _at(model, variables, images, targets, layer)
    squared, cubed = gradient**2, gradient**3
    sums = jnp.sum(activation, axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
    below = 2 * squared + sums * cubed
    alpha = jnp.where(gradient != 0, squared / jnp.where(below != 0, below, 1.0), 0.0)
    weights = jnp.sum(alpha * jnp.maximum(gradient, 0), axis=(1, 2), keepdims=True)  # [B, 1, 1, C]
    return _summed(weights * activation, rectify)


def ablation_cam(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    layer: str = "",
    rectify: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """Ablation-CAM: a channel's weight is the share of the score that is lost without it.

    Desai & Ramaswamy 2020, eq. 2. No gradient is used; what follows `layer` is run once a channel.
    `progress(done, channels)` is called after each batch of channels.
    """
    layer = _layer(model, variables, images, layer)
    activation = capture(model, variables, images, [layer])[layer].astype(jnp.float32)
    classes, function = (None, targets) if callable(targets) else (jnp.asarray(targets), None)
    channels = activation.shape[-1]
    whole = _without(model, layer, function, variables, images, classes, jnp.full((1,), -1))[0]
    lost = []
    for start in range(0, channels, CHANNELS_AT_ONCE):
        numbers = jnp.arange(start, start + CHANNELS_AT_ONCE)  # beyond the last: nothing is off
        scores = _without(model, layer, function, variables, images, classes, numbers)
        lost.append((whole[None] - scores) / whole[None])
        if progress:
            progress(min(channels, start + CHANNELS_AT_ONCE), channels)
    weights = jnp.concatenate(lost)[:channels].T[:, None, None, :]  # [B, 1, 1, C]
    return _summed(weights * activation, rectify)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _without(
    model: nn.Module,
    layer: str,
    function: Callable | None,
    variables: Any,
    images: Array,
    classes: Array | None,
    numbers: Array,
) -> Array:
    """Target scores [n, B], the i-th with channel `numbers[i]` of `layer` set to zero."""

    def score(number: Array) -> Array:
        def switch_off(output: Array) -> Array:
            return jnp.where(jnp.arange(output.shape[-1]) == number, 0, output)

        logits = with_layer_changed(model, variables, images, layer, switch_off)
        return target_scores(logits, either(function, classes))

    # What comes before the layer does not depend on the number, so vmap runs it once.
    return jax.vmap(score)(numbers)


def _layer(model: nn.Module, variables: Any, images: Array, layer: str) -> str:
    layer = layer or default_layer(model, variables, images.shape)
    return check_map(layer_shapes(model, variables, images.shape), layer)


def _at(
    model: nn.Module, variables: Any, images: Array, targets: Targets, layer: str
) -> tuple[Array, Array]:
    layer = _layer(model, variables, images, layer)
    activation, gradient = gradient_at(model, variables, images, layer, targets)
    return activation.astype(jnp.float32), gradient.astype(jnp.float32)


def _summed(weighted: Array, rectify: bool) -> Array:
    total = jnp.sum(weighted, axis=-1)  # [B, h, w]
    return jnp.maximum(total, 0) if rectify else total


# The methods by the names that users give:
# function(model, variables, images, targets, layer=..., rectify=...).
METHODS: dict[str, Callable[..., Array]] = {
    "grad_cam": grad_cam,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "ablation_cam": ablation_cam,
}
