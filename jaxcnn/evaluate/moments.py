"""Means and variances of what layers read: of a batch, pooled over batches, in place of others."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

Array = jax.Array
Layer = tuple[str, ...]  # ("stage1", "block1", "bn1")


@dataclasses.dataclass
class Moments:
    """Mean and variance [C] of what a layer read so far, over `count` images, in float64."""

    count: int = 0
    mean: Any = 0.0
    var: Any = 0.0

    def add(self, count: int, mean: Array, var: Array) -> None:
        """Takes in the moments of `count` more images (Chan, Golub & LeVeque 1983)."""
        share = count / (self.count + count)
        distance = np.asarray(mean, np.float64) - self.mean
        self.count += count
        self.mean = self.mean + share * distance
        self.var = (1 - share) * self.var + share * np.asarray(var, np.float64)
        self.var = self.var + share * (1 - share) * np.square(distance)


def moments_of(x: Array, mask: Array) -> tuple[Array, Array]:
    """Mean and variance [C] of x [B, ..., C] over the images that `mask` [B] counts.

    Taken of each image first, so that no long sum of float32 is made.
    """
    x = x.astype(jnp.float32)
    within = tuple(range(1, x.ndim - 1))
    means = jnp.mean(x, axis=within)  # [B, C]
    variances = jnp.var(x, axis=within)  # [B, C]
    weights = (mask / mask.sum())[:, None]  # [B, 1]
    mean = jnp.sum(weights * means, axis=0)  # [C]
    spread = variances + jnp.square(means - mean[None, :])  # [B, C]
    return mean, jnp.sum(weights * spread, axis=0)  # [C]


def with_moments(statistics: Mapping[str, Any], found: Mapping[Layer, Moments]) -> dict[str, Any]:
    """`statistics` with those of the layers in `found` replaced."""
    flat = flatten_dict(statistics)
    for layer, moments in found.items():
        flat[*layer, "mean"] = moments.mean.astype(np.float32)
        flat[*layer, "var"] = moments.var.astype(np.float32)
    return unflatten_dict(flat)


def moved(
    old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[Layer]
) -> tuple[float, float]:
    """The most that a mean moved, in old deviations, and that a variance changed, as a ratio."""

    def joined(statistics: Mapping[str, Any], kind: str) -> np.ndarray:
        flat: dict[Any, Any] = flatten_dict(statistics)
        return np.concatenate([np.asarray(flat[*name, kind], np.float64) for name in names])

    mean, var, old_mean, old_var = (
        joined(statistics, kind) for statistics in (new, old) for kind in ("mean", "var")
    )
    alive = (old_var > 0) & (var > 0)  # a map may be constant
    distance = np.abs(mean - old_mean)[alive] / np.sqrt(old_var[alive])
    ratio = var[alive] / old_var[alive]
    return float(distance.max(initial=0)), float(np.maximum(ratio, 1 / ratio).max(initial=1))
