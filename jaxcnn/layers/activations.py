"""Activation functions as modules without parameters: the map after each has a path of its own.

`capture_intermediates` finds that map under the activation's name, such as `relu5_3`, and
`nn.intercept_methods` can give every `ReLU` of a network another gradient. Each place of a network
has an activation of its own; none is used twice.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.errors import ModelError

Array = jax.Array


class Activation(nn.Module):
    """The base of all activations: a function of each number by itself, [...] -> [...]."""

    def __call__(self, x: Array) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no function")


class ReLU(Activation):
    """max(x, 0); its gradient at 0 is 0 (Krizhevsky et al. 2012, section 3.1).

    `of_sum` says that x is a sum, such as that of a residual, which has a form of its own.
    """

    of_sum: bool = False

    def __call__(self, x: Array) -> Array:
        return ops.relu_of_sum(x) if self.of_sum else nn.relu(x)


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    def __call__(self, x: Array) -> Array:
        return nn.relu6(x)


class Sigmoid(Activation):
    """The logistic function 1 / (1 + exp(-x))."""

    def __call__(self, x: Array) -> Array:
        return nn.sigmoid(x)


class Tanh(Activation):
    """The hyperbolic tangent."""

    def __call__(self, x: Array) -> Array:
        return jnp.tanh(x)


class Squash(Activation):
    """The scaled hyperbolic tangent of LeCun et al. 1998, appendix A.

    f(1) = 1 and f(-1) = -1, and there the curvature is largest.
    """

    def __call__(self, x: Array) -> Array:
        return 1.7159 * jnp.tanh(2 / 3 * x)


class Swish(Activation):
    """x times its sigmoid, also called SiLU (Ramachandran et al. 2017)."""

    def __call__(self, x: Array) -> Array:
        return nn.swish(x)


ACTIVATIONS = {"relu": ReLU, "sigmoid": Sigmoid, "tanh": Tanh}


def find_activation(choice: str | type[Activation], network: str) -> type[Activation]:
    """The activation called `choice` in `ACTIVATIONS`, or `choice` itself where it is a class.

    Raises ModelError for a name that the table has not, naming those that it has; `network` is the
    network that was asked for it.
    """
    if not isinstance(choice, str):
        return choice
    if choice not in ACTIVATIONS:
        raise ModelError(
            f"{network} has no activation {choice!r}: use one of {', '.join(ACTIVATIONS)}, "
            "or pass a class such as jaxcnn.layers.Swish"
        )
    return ACTIVATIONS[choice]


def activation_name(kind: type[Activation], place: object = "") -> str:
    """The name of an activation of `kind` at `place`: ReLU at "5_3" is `relu5_3`."""
    return f"{kind.__name__.lower()}{place}"
