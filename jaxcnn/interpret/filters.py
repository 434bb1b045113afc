"""The kernels of a network's first layer, as AlexNet's figure 3 and ZFNet's figure 6 show them."""

from typing import Any, NamedTuple

import flax.linen as nn
import numpy as np
from flax.traverse_util import flatten_dict

from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import layer_shapes

DEAD_SHARE = 0.01  # a kernel whose norm is below this share of the median has learned nothing
LARGE_TIMES = 3.0  # and one above this multiple dominates (ZFNet section 4.1)


class Kernels(NamedTuple):
    """First-layer kernels, with the marks that ZFNet's figure 6 makes on them."""

    layer: str
    values: np.ndarray  # [F, kh, kw, C]
    norm: np.ndarray  # [F]
    dead: np.ndarray  # [F] of bool
    large: np.ndarray  # [F] of bool


def first_kernels(model: nn.Module, variables: Any, shape: tuple[int, int, int]) -> Kernels:
    """The kernels of the first convolution of `model`, which reads images of `shape` [H, W, C].

    Raises ConfigError for a network without a convolution over the image.
    """
    params: Any = flatten_dict(variables["params"], sep="/")
    for layer in layer_shapes(model, variables, (1, *shape)):
        kernel = params.get(f"{layer}/kernel")
        if kernel is not None and np.ndim(kernel) == 4:
            values = np.asarray(kernel, np.float32).transpose(3, 0, 1, 2)  # [F, kh, kw, C]
            norm = np.linalg.norm(values.reshape(len(values), -1), axis=1)
            middle = np.median(norm)
            return Kernels(
                layer, values, norm, norm < DEAD_SHARE * middle, norm > LARGE_TIMES * middle
            )
    raise ConfigError(f"{type(model).__name__} has no convolution whose kernels could be shown")
