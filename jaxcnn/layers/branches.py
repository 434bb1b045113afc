"""Inception modules, and networks of them, as tables in the notation of their papers.

A step is a string, written as the papers' tables and figures print it:

    "3x3 96"             convolution, 96 filters, padded by (k - 1) / 2 on every side; normalised
                         where the network is; ReLU
    "3x3 96 /2 V"        stride 2, "valid": no padding (the V of Inception-v4's figures)
    "max 3x3"            max pooling, padded like a convolution; with /2 its windows start at the
                         first pixel and cover the map
    "max 3x3 /2 C"       unpadded, but a last window may overhang the map (ceil, as in Caffe)
    "max 3x3 /2 P"       padded by (k - 1) / 2 on every side, with a stride too (as in PyTorch)
    "avg 3x3"            average pooling that counts padded zeros; "avg_inside 3x3" counts only
                         pixels inside the map
    "1x1 64, 3x3 96"     a branch: the second step after the first
    "1x1 64, 1x3 96 | 3x1 96"   a branch that ends in two steps side by side
    "proj: 1x1 64"       a step with a name of its own; others are called branch2_conv1,
                         branch2_conv2, or where a branch forks branch2_conv2a, branch2_conv2b

A module is a tuple of branches, whose outputs are concatenated in that order; a network is a
sequence of (name, step or module).
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.errors import ModelError
from jaxcnn.layers.activations import ReLU
from jaxcnn.layers.basic import Conv, Dtype, Init, he_normal
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.ops.pool import Padding

Array = jax.Array

Branches = tuple[str, ...]
Layers = Sequence[tuple[str, Any]]  # (name, step or branches), in the order of the network
Unit = Callable[..., Callable[..., Array]]  # conv_relu or ConvBN with the network's own settings

STEP = re.compile(
    r"(?:(?P<name>\w+): )?(?:(?P<pool>max|avg|avg_inside) )?(?P<height>\d+)x(?P<width>\d+)"
    r"(?: (?P<features>\d+))?(?: /(?P<stride>\d+))?(?: (?P<border>[VCP]))?"
)


class Step(NamedTuple):
    """One convolution or pooling, as read from its notation."""

    name: str
    pool: str  # "max", "avg", "avg_inside"; "" for a convolution
    kernel: tuple[int, int]
    features: int
    stride: int
    border: str  # "V": no padding, "C": overhang, "P": padded evenly, "": padded

    def smallest_input(self, out: int) -> int:
        """The smallest side of a map from which the step makes `out` pixels."""
        window = max(self.kernel)
        least = {"V": window, "C": window - self.stride + 1, "P": 1, "": 1}  # for one pixel
        return (out - 1) * self.stride + least[self.border]


Branch = tuple[tuple[Step, ...], ...]  # steps one after another, each with those side by side


@functools.cache
def read_step(text: str) -> Step:
    """Reads one step; raises ModelError for what is not the notation."""
    found = STEP.fullmatch(text)
    if (
        not found
        or bool(found["pool"]) == bool(found["features"])
        or (found["border"] in ("C", "P") and found["pool"] != "max")
    ):
        raise ModelError(
            f"{text!r} is not a step of an Inception branch; "
            "expected something like '3x3 96 /2 V' or 'max 3x3 /2 V'"
        )
    return Step(
        name=found["name"] or "",
        pool=found["pool"] or "",
        kernel=(int(found["height"]), int(found["width"])),
        features=int(found["features"] or 0),
        stride=int(found["stride"] or 1),
        border=found["border"] or "",
    )


def read_branch(text: str, number: int) -> Branch:
    """The named steps of branch `number`, one after another.

    Each entry holds the steps that stand side by side, mostly one.
    """
    first, *siblings = text.split(" | ")
    *trunk, last = first.split(", ")
    levels, convolutions = [], 0
    for texts in [*([t] for t in trunk), [last, *siblings]]:
        steps = [read_step(t) for t in texts]
        convolutions += not steps[0].pool
        kind = "pool" if steps[0].pool else f"conv{convolutions}"
        letters = "ab" if len(steps) > 1 else [""]
        named = []
        for step, letter in zip(steps, letters, strict=True):
            named.append(step._replace(name=step.name or f"branch{number}_{kind}{letter}"))
        levels.append(tuple(named))
    return tuple(levels)


@functools.cache
def read_layer(layer: str | Branches) -> tuple[Branch, ...]:
    """The branches of a module, or the one step that a layer consists of as a branch; read once."""
    if isinstance(layer, str):
        return (((read_step(layer),),),)
    return tuple(read_branch(text, number) for number, text in enumerate(layer, start=1))


def smallest_image(layers: Layers) -> int:
    """The smallest side in pixels of an image of which `layers` leave one pixel.

    It is found by walking through the geometry backwards.
    """
    side = 1
    for _, layer in reversed(layers):
        sides = []
        for branch in read_layer(layer):
            needed = side
            for step, *_ in reversed(branch):
                needed = step.smallest_input(needed)
            sides.append(needed)
        side = max(sides)
    return side


def conv_relu(
    features: int,
    kernel_size: tuple[int, int],
    stride: int = 1,
    padding: Padding = 0,
    *,
    name: str,
    **fields: Any,
) -> Callable[..., Array]:
    """A biased convolution `name` and the ReLU `relu_name`; call it inside a compact method.

    It is made and called like `ConvBN`, [B, H, W, C] -> [B, H', W', features].
    """

    def apply(x: Array, train: bool) -> Array:
        conv = Conv(features, kernel_size, stride, padding, **fields, name=name)
        return ReLU(name=f"relu_{name}")(conv(x))  # [B, H', W', features]

    return apply


class ConvBN(nn.Module):
    """Convolution `conv`, batch normalisation `bn`, rectification `relu`."""

    features: int
    kernel_size: tuple[int, int]
    stride: int = 1
    padding: Padding = 0
    use_bias: bool = False
    momentum: float = 0.9
    epsilon: float = 1e-3
    group_size: int = 0
    dtype: Dtype = jnp.float32
    kernel_init: Init = he_normal

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        conv = Conv(
            self.features,
            self.kernel_size,
            self.stride,
            self.padding,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name="conv",
        )
        norm = BatchNorm(self.momentum, self.epsilon, self.group_size, dtype=self.dtype, name="bn")
        x = norm(conv(x), train)  # [B, H', W', features]
        return ReLU(name="relu")(x)


def apply_step(step: Step, x: Array, train: bool, unit: Unit) -> Array:
    """One step under its own name, [B, H, W, C] -> [B, H', W', C']; call it in a compact method."""
    kh, kw = step.kernel
    same = ((kh - 1) // 2, (kw - 1) // 2)
    if not step.pool:
        padding = 0 if step.border else same
        return unit(step.features, step.kernel, step.stride, padding, name=step.name)(x, train)
    padding = same
    if step.border != "P" and (step.stride > 1 or step.border):
        # An overhang of stride - 1 is ceil. One of k - 1 makes as many windows as a padded
        # convolution does, of odd maps and of even ones.
        overhang = {"V": 0, "C": step.stride - 1, "": kh - 1}[step.border]
        padding = ((0, overhang), (0, overhang))
    if step.pool == "max":
        return MaxPool(kh, step.stride, padding, name=step.name)(x)
    return AvgPool(kh, step.stride, padding, count_padding=step.pool == "avg", name=step.name)(x)


def apply_branches(branches: Branches, x: Array, train: bool, unit: Unit) -> Array:
    """The branches over one map, concatenated along the channels; call it in a compact method."""
    outputs = []
    for branch in read_layer(branches):
        ends = [x]
        for level in branch:
            ends = [apply_step(step, ends[0], train, unit) for step in level]
        outputs += ends
    return jnp.concatenate(outputs, axis=-1)  # [B, H', W', sum of the branches]


class Inception(nn.Module):
    """An Inception module: parallel branches, concatenated (GoogLeNet, figure 2b)."""

    branches: Branches
    unit: Unit

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        return apply_branches(self.branches, x, train, self.unit)


def apply_layer(name: str, layer: str | Branches, x: Array, train: bool, unit: Unit) -> Array:
    """One row of a network's table under its `name`; call it inside a compact method."""
    if isinstance(layer, str):
        return apply_step(read_step(layer)._replace(name=name), x, train, unit)
    return Inception(layer, unit, name=name)(x, train)
