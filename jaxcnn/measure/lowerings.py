"""Time of the lowerings of single convolutions."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.measure.timing import timed
from jaxcnn.ops.geometry import Geometry
from jaxcnn.ops.lowerings import LOWERINGS

Row = dict[str, Any]

# The convolutions that networks spend their time in: (where, image [B, H, W, C],
# kernel [kh, kw, C / groups, F], stride, padding, groups).
# fmt: off
CONVOLUTIONS = (
    ("resnet50 stage 2, 1x1",         (8, 56, 56, 256),  (1, 1, 256, 64),   1, 0, 1),
    ("resnet50 stage 3, 1x1/2",       (8, 56, 56, 256),  (1, 1, 256, 512),  2, 0, 1),
    ("resnet50 stem, 7x7/2",          (8, 224, 224, 3),  (7, 7, 3, 64),     2, 3, 1),
    ("resnet18 stage 1, 3x3",         (8, 56, 56, 64),   (3, 3, 64, 64),    1, 1, 1),
    ("resnet18 stage 2, 3x3",         (8, 28, 28, 128),  (3, 3, 128, 128),  1, 1, 1),
    ("resnet18 stage 3, 3x3",         (8, 14, 14, 256),  (3, 3, 256, 256),  1, 1, 1),
    ("resnet18 stage 4, 3x3",         (8, 7, 7, 512),    (3, 3, 512, 512),  1, 1, 1),
    ("vgg16 block 2, 3x3",            (4, 112, 112, 128), (3, 3, 128, 128), 1, 1, 1),
    ("alexnet conv2, 5x5 groups 2",   (16, 27, 27, 96),  (5, 5, 48, 256),   1, 2, 2),
    ("efficientnet, depthwise 3x3",   (8, 56, 56, 144),  (3, 3, 1, 144),    1, 1, 144),
    ("efficientnet, depthwise 5x5",   (8, 14, 14, 672),  (5, 5, 1, 672),    1, 2, 672),
    ("efficientnet, depthwise 3x3/2", (8, 112, 112, 96), (3, 3, 1, 96),     2, 1, 96),
)
# fmt: on
MOST_SPLITS = 32  # beyond it a split takes minutes to compile


def lowering_times(*, precision: str, n: int) -> Iterator[Row]:
    """A row for each convolution of `CONVOLUTIONS` and lowering that can compute it.

    Medians over n, forward and forward with both gradients, on random arrays.
    """
    dtype = jnp.dtype(precision)
    for where, x_shape, kernel_shape, stride, padding, groups in CONVOLUTIONS:
        geometry = Geometry(
            x_shape,
            kernel_shape,
            (stride, stride),
            ((padding, padding), (padding, padding)),
            groups,
            dtype,
        )
        x = jax.random.normal(jax.random.key(0), x_shape, dtype)
        kernel = jax.random.normal(jax.random.key(1), kernel_shape, dtype)
        for name, lowering in LOWERINGS.items():
            if lowering.unusable(geometry) or (name == "split" and groups > MOST_SPLITS):
                continue
            conv = functools.partial(
                ops.conv2d, stride=stride, padding=padding, groups=groups, lowering=name
            )
            yield {
                "convolution": where,
                "lowering": name,
                "device": jax.default_backend(),
                "precision": precision,
                **_times(conv, x, kernel, n),
                "n": n,
            }


def _times(conv: Callable[..., jax.Array], x: jax.Array, kernel: jax.Array, n: int) -> Row:
    """Milliseconds of `conv` forward, and forward with both gradients."""

    def both(x, kernel, dy):
        y, vjp = jax.vjp(conv, x, kernel)
        return y, vjp(dy)

    dy = jax.jit(conv)(x, kernel)
    wall, core = timed(jax.jit(conv), x, kernel, n=n)
    both_wall, both_core = timed(jax.jit(both), x, kernel, dy, n=n)
    return {
        "forward_ms": round(wall * 1e3, 1),
        "forward_core_ms": round(core * 1e3, 1),
        "gradients_ms": round(both_wall * 1e3, 1),
        "gradients_core_ms": round(both_core * 1e3, 1),
    }
