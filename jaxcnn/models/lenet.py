"""LeNet-5 (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 1998) and the simplified LeNets about.

`lenet5` is the network of section II.B and appendix A, connection table, trainable subsampling and
radial basis outputs included. Its logits are minus the distances that the paper calls y_i: argmax
picks the nearest code, and both the paper's MAP loss and a softmax can be taken of them.
"""

import warnings
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.errors import ModelError
from jaxcnn.layers import (
    Activation,
    AvgPool,
    Conv,
    FullyConnected,
    Identity,
    Init,
    MaxPool,
    Squash,
    activation_name,
    as_logits,
    check_images,
    find_activation,
    he_normal,
)
from jaxcnn.models._lenet5 import CODES, S2_MAPS, RadialBasis, Subsampling, TableConv, uniform

Array = jax.Array

POOLINGS = {"average": AvgPool, "max": MaxPool}
# Caffe's "xavier" looks at the fan-in alone.
caffe_xavier = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")
xavier_uniform = nn.initializers.xavier_uniform()

# fmt: off
VARIANTS = {
    # 60,000 parameters, all that the paper trains; the output codes are drawn by hand, stay fixed.
    "lenet5": dict(module="LeNet5", input_shape=(32, 32, 1), num_classes=10),
    # What notes mean by LeNet: every map of S2 feeds every map of C3, pooling has no weights, the
    # output is linear under a softmax. They disagree on the rest (tanh, sigmoid or ReLU; average or
    # max): ReLU and max here, today's usual choice; the fields give the others.
    "lenet": dict(module="LeNet", input_shape=(32, 32, 1), num_classes=10),
    # Caffe's examples/mnist: wider, nothing between convolution and pooling; the ReLU after ip1 is
    # the only activation.
    "lenet_caffe": dict(module="LeNet", input_shape=(28, 28, 1), num_classes=10,
                        stages=(("conv1", 20, "pool1"), ("conv2", 50, "pool2")),
                        hidden=(("ip1", 500),), head="ip2", window=4, activate_maps=False,
                        kernel_init=caffe_xavier),
    # Dive into Deep Learning, for Fashion-MNIST: sigmoids, averages, and C1 padded by 2.
    "lenet_d2l": dict(module="LeNet", input_shape=(28, 28, 1), num_classes=10, padding=2,
                      activation="sigmoid", pooling="average", kernel_init=xavier_uniform),
}
# fmt: on


def fit_map(x: Array, side: int, image: int, images: Array, network: str) -> Array:
    """Averages or repeats a map to `side` x `side`, [B, h, w, C] -> [B, side, side, C].

    The paper has no such step, for `network` reads images of `image` pixels. So a map of another
    size is warned of, with the ways to give the network what it was made for.
    """
    if x.shape[1:3] != (side, side):
        given = "x".join(map(str, images.shape[1:3]))
        found = "x".join(map(str, x.shape[1:3]))
        missing, odd = divmod(image - images.shape[1], 2)
        fits = missing > 0 and not odd
        pad = f"Pad the images (data.pad={missing}) or resize them" if fits else "Resize the images"
        warnings.warn(
            f"{network} reads images of {image}x{image} pixels and was given {given}: the map "
            f"before its linear layers, {found}, is resized to {side}x{side}. {pad} "
            f"(data.image_size={image}); over larger ones, class_map=True slides the network.",
            stacklevel=2,
        )
    return ops.adaptive_avg_pool(x, side)


class LeNet5(nn.Module):
    """LeNet-5 of the paper, images [B, H, W, C] -> logits [B, K], K at most 10.

    `dropout_rate` (after C5) is ours. Images are 32x32; others of 16 pixels or more leave a map of
    S4 that is averaged or repeated to 5x5, which is warned of. With `class_map` C5 slides over the
    map instead (32 pixels or more), and the result is [B, h, w, K]. Raises ModelError for smaller
    images, other than 1 or 3 channels, and more than 10 classes.
    """

    input_shape: tuple = (32, 32, 1)
    num_classes: int = 10
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0
    class_map: bool = False

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels: S4 has one position, or fills C5's window."""
        return 32 if self.class_map else 16

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), "lenet5")
        if self.num_classes > len(CODES):
            raise ModelError(
                "lenet5 has output codes for the 10 digits, "
                f"not for {self.num_classes} classes: use lenet"
            )
        x, dtype = images.astype(self.dtype), self.dtype
        first, fifth, sixth = (uniform(fan_in) for fan_in in (25 * x.shape[-1], 400, 120))
        x = Conv(S2_MAPS, 5, dtype=dtype, kernel_init=first, bias_init=first, name="C1")(x)
        x = Squash(name="squash_C1")(x)  # [B,28,28,6]
        x = Squash(name="squash_S2")(Subsampling(dtype, name="S2")(x))  # [B,14,14,6]
        x = Squash(name="squash_C3")(TableConv(dtype, name="C3")(x))  # [B,10,10,16]
        x = Squash(name="squash_S4")(Subsampling(dtype, name="S4")(x))  # [B,5,5,16]
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,C]
        x = x if self.class_map else fit_map(x, 5, 32, images, "lenet5")
        fields = dict(dtype=dtype, kernel_init=fifth, bias_init=fifth)
        x = Squash(name="squash_C5")(FullyConnected(120, 5, name="C5", **fields)(x))  # [B,1,1,120]
        x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
        fields = dict(dtype=dtype, kernel_init=sixth, bias_init=sixth)
        x = Squash(name="squash_F6")(FullyConnected(84, name="F6", **fields)(x))  # [B,1,1,84]
        return as_logits(RadialBasis(self.num_classes, name="output")(x), self.class_map)


class LeNet(nn.Module):
    """Two convolutions 5x5, two poolings 2x2, linear layers: images [B, H, W, C] -> logits [B, K].

    `stages` names each convolution, its maps and its pooling; `hidden` names the fully connected
    layers and their units, the first of which spans `window` x `window` positions. `activation` and
    `pooling` are a name, or a class of `jaxcnn.layers`. Images of another size than the network was
    made for, but of 16 pixels or more, leave a map that is averaged or repeated to the window,
    which is warned of; with `class_map` the first linear layer slides over the map instead, and the
    result is [B, h, w, K]. Raises ModelError for smaller images and other than 1 or 3 channels.
    """

    input_shape: tuple = (32, 32, 1)
    num_classes: int = 10
    dtype: Any = jnp.float32
    dropout_rate: float = 0.0  # after each hidden layer; no published LeNet drops any
    class_map: bool = False
    stages: tuple = (("C1", 6, "S2"), ("C3", 16, "S4"))
    padding: int = 0  # of the first convolution
    hidden: tuple = (("C5", 120), ("F6", 84))
    head: str = "output"
    window: int = 5
    activation: str | type[Activation] = "relu"
    pooling: str | Callable[..., nn.Module] = "max"
    activate_maps: bool = True  # whether the convolutions are activated too
    kernel_init: Init = he_normal

    @nn.nowrap
    def native_image(self) -> int:
        """The side of an image in pixels that leaves a map of exactly the window."""
        return 4 * self.window + 12 - 2 * self.padding

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image in pixels: one position, or the window, is left of it."""
        return self.native_image() if self.class_map else 16 - 2 * self.padding

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        activation = find_activation(self.activation, type(self).__name__)
        pooling = find_pooling(self.pooling)
        kw = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = images.astype(self.dtype)
        padding = self.padding
        for conv, maps, pool in self.stages:
            x = Conv(maps, 5, padding=padding, name=conv, **kw)(x)  # [B,28,28,6], [B,10,10,16]
            if self.activate_maps:
                x = activation(name=activation_name(activation, f"_{conv}"))(x)
            x = pooling(2, 2, name=pool)(x)  # [B,14,14,6], [B,5,5,16]
            padding = 0
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,C]
        if not self.class_map:
            x = fit_map(x, self.window, self.native_image(), images, type(self).__name__)
        window = self.window
        for layer, units in self.hidden:
            x = FullyConnected(units, window, name=layer, **kw)(x)  # [B,1,1,120], [B,1,1,84]
            x = activation(name=activation_name(activation, f"_{layer}"))(x)
            x = nn.Dropout(self.dropout_rate)(x, deterministic=not train)
            window = 1
        return as_logits(FullyConnected(self.num_classes, name=self.head, **kw)(x), self.class_map)


def find_pooling(choice: str | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """The pooling called `choice` in `POOLINGS`, or `choice` itself where it is a class."""
    if not isinstance(choice, str):
        return choice
    if choice not in POOLINGS:
        raise ModelError(
            f"LeNet has no pooling {choice!r}: use one of {', '.join(POOLINGS)}, "
            "or pass a class such as jaxcnn.layers.MaxPool"
        )
    return POOLINGS[choice]
