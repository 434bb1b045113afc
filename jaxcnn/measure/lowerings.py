"""Time of the lowerings of single convolutions."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.measure.steps import DTYPES
from jaxcnn.measure.timing import timed
from jaxcnn.ops.lowerings import LOWERINGS, Geometry

Row = dict[str, Any]


# The convolutions that networks spend their time in: (where, image [B, H, W, C], kernel [kh, kw, C / groups, F], stride, padding, groups).
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
    """A row for each convolution of `CONVOLUTIONS` and lowering that can compute it."""
    for where, x_shape, kernel_shape, stride, padding, groups in CONVOLUTIONS:
        dtype = DTYPES[precision]
        geometry = Geometry(
            x_shape,
            kernel_shape,
            (stride, stride),
            ((padding, padding), (padding, padding)),
            groups,
            jnp.dtype(dtype),
        )
        x, kernel = (
            jax.random.normal(jax.random.key(i), shape, dtype)
            for i, shape in enumerate((x_shape, kernel_shape))
        )
        for name, lowering in LOWERINGS.items():
            if lowering.unusable(geometry) or (name == "split" and groups > MOST_SPLITS):
                continue

            def forward(x, kernel, name=name, stride=stride, padding=padding, groups=groups):
                return ops.conv2d(
                    x, kernel, stride=stride, padding=padding, groups=groups, lowering=name
                )

            def both(x, kernel, dy, forward=forward):
                y, vjp = jax.vjp(forward, x, kernel)
                return y, vjp(dy)

            dy = jax.jit(forward)(x, kernel)
            wall, cpu = timed(jax.jit(forward), x, kernel, n=n)
            both_wall, both_cpu = timed(jax.jit(both), x, kernel, dy, n=n)
            row = {
                "convolution": where,
                "lowering": name,
                "device": jax.default_backend(),
                "precision": precision,
            }
            times = {
                "forward_ms": wall,
                "forward_core_ms": cpu,
                "gradients_ms": both_wall,
                "gradients_core_ms": both_cpu,
            }
            yield row | {key: round(seconds * 1e3, 1) for key, seconds in times.items()} | {"n": n}
