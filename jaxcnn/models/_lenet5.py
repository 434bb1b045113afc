"""The layers and tables of LeNet-5 that no other network has (LeCun et al. 1998)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.layers import Init

Array = jax.Array

# fmt: off
# Table I of the paper: column = map of C3, row = map of S2 that it reads. Six maps read 3, nine
# read 4 and one reads all 6: 60 kernels.
TABLE_I = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# The codes of the ten outputs, digits drawn on 7x12 pixels in the manner of figure 3: F6's 84 units
# aim at +1 on ink and -1 on paper.
DIGITS = (
    "..###..  ...##..  .#####.  .#####.  ....##.  #######  ..####.  #######  .#####.  .#####.",
    ".#####.  ..###..  #######  #######  ...###.  #######  .#####.  #######  #######  #######",
    "##...##  .####..  ##...##  ##...##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##",
    "##...##  ...##..  .....##  .....##  ..#.##.  ##.....  ##.....  ....##.  ##...##  ##...##",
    "##...##  ...##..  .....##  .....##  .##.##.  ######.  ##.....  ....##.  ##...##  ##...##",
    "##...##  ...##..  ....##.  ..####.  .#..##.  #######  ######.  ...##..  .#####.  #######",
    "##...##  ...##..  ...##..  ..####.  ##..##.  .....##  #######  ...##..  .#####.  .######",
    "##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ..##...  ##...##  .....##",
    "##...##  ...##..  .##....  .....##  #######  .....##  ##...##  ..##...  ##...##  .....##",
    "##...##  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  ..##...  ##...##  .....##",
    ".#####.  .######  #######  #######  ....##.  #######  #######  ..##...  #######  .#####.",
    "..###..  .######  #######  .#####.  ....##.  .#####.  .#####.  ..##...  .#####.  .####..",
)
# fmt: on

# [6, 16]: does map j of C3 read map i of S2; and [10, 84]: the codes, row by row of each bitmap.
C3_READS = np.array([[mark == "X" for mark in row] for row in TABLE_I])
CODES = np.array(
    [[[2.0 * (c == "#") - 1.0 for c in glyph] for glyph in row.split()] for row in DIGITS],
    np.float32,
)  # [12, 10, 7]
CODES = CODES.transpose(1, 0, 2).reshape(10, 84)

S2_MAPS, C3_MAPS = C3_READS.shape


def uniform(fan_in: Any) -> Init:
    """Uniform in +-2.4 / F with F inputs to the unit (appendix A).

    `fan_in` may be an array that broadcasts over the last axis.
    """

    def init(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        bound = np.broadcast_to(np.asarray(2.4 / np.asarray(fan_in), np.float32), shape)
        return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * bound.astype(dtype)

    return init


class Subsampling(nn.Module):
    """S2 and S4: the SUM of four neighbours times a trainable coefficient, plus a trainable bias.

    Each map has one coefficient and one bias, [B, H, W, C] -> [B, H/2, W/2, C].
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        maps = x.shape[-1]
        coefficient = self.param("coefficient", uniform(4), (maps,), jnp.float32).astype(self.dtype)
        bias = self.param("bias", uniform(4), (maps,), jnp.float32).astype(self.dtype)
        total = 4 * ops.avg_pool(x, 2, 2)  # [B, H/2, W/2, C]
        return total * coefficient[None, None, None, :] + bias[None, None, None, :]


class TableConv(nn.Module):
    """C3: a 5x5 convolution from 6 to 16 maps with a kernel only where Table I has a cross.

    `kernel` is [5, 5, 60], map after map; [B, H, W, 6] -> [B, H-4, W-4, 16].
    """

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        out, read = np.nonzero(C3_READS.T)  # [60]: map of C3, map of S2
        fan_in = 25 * C3_READS.sum(0)  # [16]
        kernel = self.param("kernel", uniform(fan_in[out]), (5, 5, len(out)), jnp.float32)
        kernel = kernel.astype(self.dtype)
        bias = self.param("bias", uniform(fan_in), (C3_MAPS,), jnp.float32).astype(self.dtype)
        dense = jnp.zeros((5, 5, S2_MAPS, C3_MAPS), self.dtype).at[:, :, read, out].set(kernel)
        return ops.conv2d(x, dense) + bias[None, None, None, :]  # [B, H-4, W-4, 16]


class RadialBasis(nn.Module):
    """Minus the squared distance of each vector [..., 84] to the fixed code of each class.

    The result is [..., K] in float32.
    """

    num_classes: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        codes = CODES[: self.num_classes].reshape((1,) * (x.ndim - 1) + (-1, 84))  # [..., K, 84]
        gap = x.astype(jnp.float32)[..., None, :] - codes  # [..., K, 84]
        return -jnp.sum(jnp.square(gap), axis=-1)  # [..., K]
