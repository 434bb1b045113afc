"""Class maps for pages: one way for every network, and words for how they were made."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import FEATURES, layer_shapes
from jaxcnn.interpret.class_activation import cam, grad_cam
from jaxcnn.interpret.viewer import Viewer


class Maps(NamedTuple):
    """Maps [B, h, w] of one class for each image, and how they were made."""

    values: np.ndarray
    method: str  # "class activation map" or "Grad-CAM at LAYER"
    unit: str


def class_maps(viewer: Viewer, views: np.ndarray, classes: Sequence[int]) -> Maps:
    """The evidence for `classes` [B] in views uint8 [B, S, S, C].

    Where the head is one linear layer behind global average pooling, these are class activation
    maps, whose mean and the bias make the logit. Elsewhere they are Grad-CAM's, taken at the last
    layer that has positions.
    """
    inputs, wanted = viewer.normalise(views), jnp.asarray(classes)
    try:
        values = cam(viewer.model, viewer.variables, inputs, wanted)
        return Maps(np.asarray(values, np.float32), "class activation map", "logit")
    except ConfigError:
        layer = layer_with_positions(viewer)
        values = grad_cam(viewer.model, viewer.variables, inputs, wanted, layer=layer)
        return Maps(np.asarray(values, np.float32), f"Grad-CAM at {layer}", "weighted activation")


def layer_with_positions(viewer: Viewer) -> str:
    """The last layer up to the head whose map has more than one position.

    Raises ConfigError for a network without any.
    """
    shapes = layer_shapes(viewer.model, viewer.variables, (1, *viewer.shape))
    found = ""
    for path, shape in shapes.items():
        if len(shape) == 4 and shape[1] * shape[2] > 1:
            found = path
        if path == FEATURES and found:
            break
    if not found:
        raise ConfigError(f"{type(viewer.model).__name__} has no layer with positions to show")
    return found
