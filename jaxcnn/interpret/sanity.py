"""Sanity checks of attributions (Adebayo et al. 2018): do they change when the network does?

The kernels of layers are drawn anew from the top of the network downwards, by shuffling their
values. A method that explains the network gives another map then; one that finds edges in the image
gives the same.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcnn.interpret.activations import layer_shapes

# variables -> the map or attribution of one image
Explain = Callable[[Any], np.ndarray]


class Randomised(NamedTuple):
    """How far a method's map is the same after the top layers were drawn anew."""

    layers: list[str]  # the lowest layer that was drawn anew; all above were too
    maps: list[np.ndarray]  # the map before, then one for each of `layers`
    correlation: list[float]  # Spearman's, of each with the map before


def weighted_layers(model: nn.Module, variables: Any, shape: Sequence[int]) -> list[str]:
    """Paths of the layers with a kernel, from the head down to the image.

    `shape` is that of the images, [B, H, W, C].
    """
    params = flatten_dict(variables["params"], sep="/")
    paths = [path for path in layer_shapes(model, variables, shape) if f"{path}/kernel" in params]
    return paths[::-1]


def drawn_anew(variables: Any, layers: Sequence[str], seed: int = 0) -> Any:
    """The variables with the kernels and biases of `layers` shuffled, each within itself."""
    rng = np.random.default_rng(seed)
    params = dict(flatten_dict(variables["params"], sep="/"))
    for path in layers:
        for leaf in ("kernel", "bias"):
            value: Any = params.get(f"{path}/{leaf}")
            if value is not None:
                flat = rng.permutation(np.asarray(value).reshape(-1))
                params[f"{path}/{leaf}"] = flat.reshape(value.shape)
    return dict(variables) | {"params": unflatten_dict(params, sep="/")}


def steps(layers: Sequence[str], count: int = 4) -> list[int]:
    """How many layers from the top are drawn anew, in about `count` steps from 1 to all."""
    if len(layers) <= count:
        return list(range(1, len(layers) + 1))
    return sorted({1, *(round(len(layers) * k / (count - 1)) for k in range(1, count))})


def randomised(
    explain: Explain,
    variables: Any,
    layers: Sequence[str],
    *,
    counts: Sequence[int],
    seed: int = 0,
) -> Randomised:
    """The maps that `explain` gives after the first 1, ... of `layers` were drawn anew (a cascade).

    `counts` are the numbers of layers. Maps are compared by the rank correlation of their values
    [...]; one that is constant has none, which counts as 0.
    """
    first = np.asarray(explain(variables))
    found = Randomised([], [first], [])
    for count in counts:
        shown = np.asarray(explain(drawn_anew(variables, layers[:count], seed)))
        found.layers.append(layers[count - 1])
        found.maps.append(shown)
        found.correlation.append(rank_correlation(first, shown))
    return found


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation of the values of two arrays; 0 where one of them is constant."""
    from scipy.stats import spearmanr

    one, other = (np.asarray(jax.device_get(x), np.float64).reshape(-1) for x in (one, other))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    correlation: Any = spearmanr(one, other)
    return float(correlation.statistic)
