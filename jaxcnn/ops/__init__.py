"""Pure array functions: convolution, pooling, normalisation, colour; no parameters, no modules.

What they know of the machine that they are traced for is in `target`.
"""

from jaxcnn.ops.activation import relu_of_sum
from jaxcnn.ops.color import pca_color
from jaxcnn.ops.conv import conv2d
from jaxcnn.ops.linear import linear
from jaxcnn.ops.norm import batch_norm, batch_norm_train, local_response_norm
from jaxcnn.ops.parallel import whole
from jaxcnn.ops.pool import adaptive_avg_pool, avg_pool, max_pool
from jaxcnn.ops.target import current_target, on_mesh, portable, target

__all__ = [
    "adaptive_avg_pool",
    "avg_pool",
    "batch_norm",
    "batch_norm_train",
    "conv2d",
    "current_target",
    "linear",
    "local_response_norm",
    "max_pool",
    "on_mesh",
    "pca_color",
    "portable",
    "relu_of_sum",
    "target",
    "whole",
]
