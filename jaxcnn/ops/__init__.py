"""Pure array functions: convolution, pooling, normalisation, colour. No parameters, no modules, no state."""

from jaxcnn.ops.color import pca_color
from jaxcnn.ops.conv import conv2d
from jaxcnn.ops.linear import linear
from jaxcnn.ops.norm import batch_norm, batch_norm_train, local_response_norm
from jaxcnn.ops.parallel import on_mesh, whole
from jaxcnn.ops.pool import adaptive_avg_pool, avg_pool, max_pool

__all__ = [
    "adaptive_avg_pool",
    "avg_pool",
    "batch_norm",
    "batch_norm_train",
    "conv2d",
    "linear",
    "local_response_norm",
    "max_pool",
    "on_mesh",
    "pca_color",
    "whole",
]
