"""LeNet-5 (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 1998, section II.B and appendix A) and the simplified LeNets in circulation.

`lenet5` is the network of the paper, connection table, trainable subsampling and radial basis outputs included. Its logits are minus
the distances that the paper calls y_i: argmax picks the nearest code, and both the paper's MAP loss and a softmax can be taken of them.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.layers.activations import Activation, Identity, Squash, activation_name, find_activation
from jaxcnn.layers.basic import (
    AvgPool,
    Conv,
    FullyConnected,
    Init,
    MaxPool,
    as_logits,
    check_images,
    he_normal,
)

Array = jax.Array

POOLINGS = {"average": AvgPool, "max": MaxPool}
caffe_xavier = nn.initializers.variance_scaling(
    1.0, "fan_in", "uniform"
)  # Caffe's "xavier" looks at the fan-in alone

# fmt: off
VARIANTS = {
    # 60,000 parameters, all that the paper trains; the output codes are drawn by hand and stay fixed.
    "lenet5": dict(module="LeNet5", input_shape=(32, 32, 1), num_classes=10),
    # What notes mean by LeNet: every map of S2 feeds every map of C3, pooling has no weights, the output is linear under a softmax. They
    # disagree on the rest (tanh, sigmoid or ReLU; average or max): ReLU and max here, today's usual choice; the fields give the others.
    "lenet": dict(module="LeNet", input_shape=(32, 32, 1), num_classes=10),
    # Caffe's examples/mnist: wider, nothing between convolution and pooling; the ReLU after ip1 is the only activation.
    "lenet_caffe": dict(module="LeNet", input_shape=(28, 28, 1), num_classes=10, stages=(("conv1", 20, "pool1"), ("conv2", 50, "pool2")),
                        hidden=(("ip1", 500),), head="ip2", window=4, activate_maps=False, kernel_init=caffe_xavier),
}

# Table I of the paper: column = map of C3, row = map of S2 that it reads. Six maps read 3, nine read 4 and one reads all 6: 60 kernels.
TABLE_I = (
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
)

# The codes of the ten outputs, digits drawn on 7x12 pixels in the manner of figure 3: F6's 84 units aim at +1 on ink and -1 on paper.
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
)
CODES = CODES.transpose(1, 0, 2).reshape(10, 84)

S2_MAPS, C3_MAPS = C3_READS.shape


def uniform(fan_in: Any) -> Init:
    """Uniform in +-2.4 / F with F inputs to the unit (appendix A); `fan_in` may be an array that broadcasts over the last axis."""

    def init(key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        bound = np.broadcast_to(np.asarray(2.4 / np.asarray(fan_in), np.float32), shape)
        return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * bound.astype(dtype)

    return init


class Subsampling(nn.Module):
    """S2 and S4: the SUM of four neighbours times one trainable coefficient a map, plus one trainable bias a map."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        maps = x.shape[-1]
        coefficient = self.param("coefficient", uniform(4), (maps,), jnp.float32).astype(self.dtype)
        bias = self.param("bias", uniform(4), (maps,), jnp.float32).astype(self.dtype)
        total = 4 * ops.avg_pool(x, 2, 2)  # [B, H/2, W/2, C]
        return total * coefficient[None, None, None, :] + bias[None, None, None, :]


class TableConv(nn.Module):
    """C3: a 5x5 convolution from 6 to 16 maps with a kernel only where Table I has a cross; `kernel` is [5, 5, 60], map after map."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        out, read = np.nonzero(C3_READS.T)  # [60]: map of C3, map of S2
        fan_in = 25 * C3_READS.sum(0)  # [16]
        kernel = self.param("kernel", uniform(fan_in[out]), (5, 5, len(out)), jnp.float32).astype(
            self.dtype
        )
        bias = self.param("bias", uniform(fan_in), (C3_MAPS,), jnp.float32).astype(self.dtype)
        dense = jnp.zeros((5, 5, S2_MAPS, C3_MAPS), self.dtype).at[:, :, read, out].set(kernel)
        return ops.conv2d(x, dense) + bias[None, None, None, :]  # [B, H-4, W-4, 16]


class RadialBasis(nn.Module):
    """Minus the squared distance of each vector [..., 84] to the fixed code of each class, [..., K] in float32."""

    num_classes: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        gap = x.astype(jnp.float32)[..., None, :] - CODES[: self.num_classes].reshape(
            (1,) * (x.ndim - 1) + (-1, 84)
        )
        return -jnp.sum(jnp.square(gap), axis=-1)  # [..., K]


class LeNet5(nn.Module):
    """LeNet-5 of the paper, images [B, H, W, C] of 16 pixels or more -> logits [B, K], K at most 10; `dropout_rate` (after C5) is ours.

    A map of S4 other than 5x5 is averaged or repeated to 5x5 before C5; with `class_map` C5 slides over it instead (32 pixels or more).
    """

    input_shape: tuple = (32, 32, 1)
    num_classes: int = 10
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0
    class_map: bool = False

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, 32 if self.class_map else 16, "lenet5")
        if self.num_classes > len(CODES):
            raise ValueError(
                f"lenet5 has output codes for the 10 digits, not for {self.num_classes} classes: use lenet"
            )
        x, dtype = images.astype(self.dtype), self.dtype
        first = uniform(25 * x.shape[-1])
        x = Conv(S2_MAPS, 5, dtype=dtype, kernel_init=first, bias_init=first, name="C1")(x)
        x = Squash(name="squash_C1")(x)  # [B,28,28,6]
        x = Squash(name="squash_S2")(Subsampling(dtype, name="S2")(x))  # [B,14,14,6]
        x = Squash(name="squash_C3")(TableConv(dtype, name="C3")(x))  # [B,10,10,16]
        x = Squash(name="squash_S4")(Subsampling(dtype, name="S4")(x))  # [B,5,5,16]
        x = Identity(name="features")(x)
        x = x if self.class_map else ops.adaptive_avg_pool(x, 5)
        x = FullyConnected(
            120, 5, dtype=dtype, kernel_init=uniform(400), bias_init=uniform(400), name="C5"
        )(x)  # [B,1,1,120]
        x = Squash(name="squash_C5")(x)
        x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        x = FullyConnected(
            84, dtype=dtype, kernel_init=uniform(120), bias_init=uniform(120), name="F6"
        )(x)  # [B,1,1,84]
        x = Squash(name="squash_F6")(x)
        return as_logits(RadialBasis(self.num_classes, name="output")(x), self.class_map)


class LeNet(nn.Module):
    """Two convolutions 5x5, two poolings 2x2, fully connected layers: images [B, H, W, C] of 16 pixels or more -> logits [B, K].

    `stages` names each convolution, its maps and its pooling; `hidden` names the fully connected layers and their units, the first of
    which spans `window` x `window` positions. `activation` and `pooling` are a name of the tables above, or the function or module itself.
    """

    input_shape: tuple = (32, 32, 1)
    num_classes: int = 10
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0  # after each hidden layer; no published LeNet drops any
    class_map: bool = False
    stages: tuple = (("C1", 6, "S2"), ("C3", 16, "S4"))
    hidden: tuple = (("C5", 120), ("F6", 84))
    head: str = "output"
    window: int = 5
    activation: str | type[Activation] = "relu"
    pooling: str | Callable[..., nn.Module] = "max"
    activate_maps: bool = True  # whether the convolutions are activated too
    kernel_init: Init = he_normal

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, 4 * self.window + 12 if self.class_map else 16, type(self).__name__)
        activation = find_activation(self.activation, type(self).__name__)
        pooling = _named(self.pooling, POOLINGS, "pooling")
        kw = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = images.astype(self.dtype)
        for conv, maps, pool in self.stages:
            x = Conv(maps, 5, name=conv, **kw)(x)  # [B,28,28,6], [B,10,10,16]
            x = (
                activation(name=activation_name(activation, f"_{conv}"))(x)
                if self.activate_maps
                else x
            )
            x = pooling(2, 2, name=pool)(x)  # [B,14,14,6], [B,5,5,16]
        x = Identity(name="features")(x)
        x = x if self.class_map else ops.adaptive_avg_pool(x, self.window)
        for i, (layer, units) in enumerate(self.hidden):
            x = FullyConnected(units, 1 if i else self.window, name=layer, **kw)(
                x
            )  # [B,1,1,120], [B,1,1,84]
            x = activation(name=activation_name(activation, f"_{layer}"))(x)
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        return as_logits(FullyConnected(self.num_classes, name=self.head, **kw)(x), self.class_map)


def _named(choice: Any, table: dict[str, Any], field: str) -> Any:
    """The entry of `table` called `choice`, or `choice` itself where it is no name."""
    if not isinstance(choice, str):
        return choice
    if choice not in table:
        raise ValueError(
            f"LeNet has no {field} {choice!r}: use one of {', '.join(table)}, or pass the function itself"
        )
    return table[choice]
