"""Looks inside trained networks: maps, attributions, features. docs/interpret.md explains them."""

from jaxcnn.interpret.activations import capture, gradient_at
from jaxcnn.interpret.attribution import integrated_gradients, saliency, smooth_grad
from jaxcnn.interpret.class_activation import (
    ablation_cam,
    cam,
    class_map,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
)
from jaxcnn.interpret.deconvnet import deconvnet, top_patches
from jaxcnn.interpret.occlusion import occlusion
from jaxcnn.interpret.retrieval import embed, features, nearest

__all__ = [
    "ablation_cam",
    "cam",
    "capture",
    "class_map",
    "deconvnet",
    "embed",
    "features",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_at",
    "hires_cam",
    "integrated_gradients",
    "layer_cam",
    "nearest",
    "occlusion",
    "saliency",
    "smooth_grad",
    "top_patches",
]
