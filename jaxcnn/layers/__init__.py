"""The linen layers that every network here is built from."""

from jaxcnn.layers.basic import (
    AvgPool,
    BatchNorm,
    Conv,
    FullyConnected,
    LocalResponseNorm,
    MaxPool,
    SqueezeExcite,
    StochasticDepth,
    as_logits,
    check_images,
    he_normal,
    ones,
    pooled_head,
    zeros,
)

__all__ = [
    "AvgPool",
    "BatchNorm",
    "Conv",
    "FullyConnected",
    "LocalResponseNorm",
    "MaxPool",
    "SqueezeExcite",
    "StochasticDepth",
    "as_logits",
    "check_images",
    "he_normal",
    "ones",
    "pooled_head",
    "zeros",
]
