"""The linen layers that every network here is built from."""

from jaxcnn.layers.activations import (
    Activation,
    ReLU,
    ReLU6,
    Sigmoid,
    Squash,
    Swish,
    Tanh,
    activation_name,
    find_activation,
)
from jaxcnn.layers.basic import (
    Conv,
    Dtype,
    FullyConnected,
    Identity,
    Init,
    he_normal,
    ones,
    zeros,
)
from jaxcnn.layers.heads import as_logits, check_images, pooled_head
from jaxcnn.layers.norm import BatchNorm, LocalResponseNorm
from jaxcnn.layers.pool import AvgPool, MaxPool, smallest_map
from jaxcnn.layers.residual import SqueezeExcite, StochasticDepth

__all__ = [
    "Activation",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Dtype",
    "FullyConnected",
    "Identity",
    "Init",
    "LocalResponseNorm",
    "MaxPool",
    "ReLU",
    "ReLU6",
    "Sigmoid",
    "Squash",
    "SqueezeExcite",
    "StochasticDepth",
    "Swish",
    "Tanh",
    "activation_name",
    "as_logits",
    "check_images",
    "find_activation",
    "he_normal",
    "ones",
    "pooled_head",
    "smallest_map",
    "zeros",
]
