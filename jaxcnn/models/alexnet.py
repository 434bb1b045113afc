"""AlexNet (Krizhevsky, Sutskever & Hinton, NeurIPS 2012) and its descendants.

`cuda_convnet` is the four-layer net of its CIFAR-10 experiments (`_cuda_convnet.py`).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import ops
from jaxcnn.layers import (
    Conv,
    FullyConnected,
    Identity,
    Init,
    LocalResponseNorm,
    MaxPool,
    ReLU,
    as_logits,
    check_images,
    he_normal,
    ones,
    smallest_map,
    zeros,
)
from jaxcnn.models._cuda_convnet import CudaConvnet

__all__ = ["VARIANTS", "AlexNet", "CudaConvnet"]
Array = jax.Array

# The layers whose biases start at 1, so that their ReLUs start alive (section 5).
BIASED = ("conv2", "conv4", "conv5", "conv6", "fc6", "fc7")
normal = nn.initializers.normal
# PyTorch's default, uniform in +-1/sqrt(fan-in).
torch_uniform = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
xavier_uniform = nn.initializers.xavier_uniform()

# fmt: off
VARIANTS = {
    # The paper's text: response normalisation before pooling, over all 96 or 256 maps, alpha times
    # the SUM. What was run differs: its windows stayed within a GPU's maps, alpha was divided by n,
    # and conv1 was pooled before its ReLU. (224 - 11) / 4 is no integer and the paper's 55 needs 3
    # more rows: the authors' code ran windows over the bottom and right edges, which is stem
    # padding (0, 3), at 227 pixels the same as none.
    "alexnet": dict(module="AlexNet"),
    # Caffe's bvlc_reference_caffenet: pooling before normalisation, k = 1, alpha divided by n, fc6
    # and fc7 from N(0, 0.005). 227 pixels, unpadded.
    "caffenet": dict(module="AlexNet", input_shape=(227, 227, 3), stem=(11, 4, (0, 0)),
                     lrn=(1.0, 1e-4 / 5), pool_first=True, hidden_init=normal(0.005)),
    # arXiv:1404.5997 as torchvision has it, layer for layer: one tower, no normalisation, dropout
    # on the inputs of fc6 and fc7. The article's footnote has 384 maps in conv4; only 256 fits the
    # growth in parameters and connections that its text states.
    "alexnet_owt": dict(module="AlexNet", features=(64, 192, 384, 256, 256), stem=(11, 4, (2, 2)),
                        groups=1, lrn=None, dropout_first=True, biased=(),
                        kernel_init=torch_uniform, hidden_init=torch_uniform),
    # "1 CNN*" of table 2, pretrained on all of ImageNet's Fall 2011 release: "an extra, sixth
    # convolutional layer over the last pooling layer", which the authors' layers-146-2012-2011 has
    # as 3x3, padded by 1, 128 + 128 maps that read both towers, N(0, 0.03), biases 1, no pooling.
    "alexnet_6conv": dict(module="AlexNet", features=(96, 256, 384, 384, 256, 256)),
    # Section 3.2's one-GPU net, as in the authors' layers-145-half: half the maps, but for conv5,
    # and the whole fc layers.
    "alexnet_half": dict(module="AlexNet", features=(48, 128, 192, 192, 256), groups=1),
    # Dive into Deep Learning, for Fashion-MNIST: conv1 padded by 1, so 54-26-12-5, one tower, no
    # normalisation.
    "alexnet_d2l": dict(module="AlexNet", input_shape=(224, 224, 1), num_classes=10,
                        stem=(11, 4, (1, 1)), groups=1, lrn=None, window=5, biased=(),
                        kernel_init=xavier_uniform, hidden_init=xavier_uniform),
    # Our choice; nothing is published under this name. The one-GPU net with conv1 shrunk from
    # 11x11/4 to 5x5/1, so that 32 pixels become 32-15-7-3, and 1024 units in fc6 and fc7 for 50,000
    # images; He's initialisation, which needs no biases of 1.
    "alexnet_cifar10": dict(module="AlexNet", input_shape=(32, 32, 3), num_classes=10,
                            features=(48, 128, 192, 192, 256), stem=(5, 1, (2, 2)), groups=1,
                            window=3, hidden=1024, biased=(),
                            kernel_init=he_normal, hidden_init=he_normal),
    # Our choice for figure 1, whose "four-layer" net the paper does not describe: cuda-convnet's
    # layers-18pct, three convolutions and fc10.
    "cuda_convnet": dict(module="CudaConvnet", input_shape=(32, 32, 3), num_classes=10),
}
# fmt: on


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers: images [B, H, W, C] -> logits [B, K].

    `groups` is the number of towers: conv2, conv4 and conv5 read only the maps of their own
    (section 3.2). A sixth width in `features` is that of a convolution `conv6` between pool5 and
    fc6, which reads all maps. A map that is not `window` x `window` is averaged or repeated to it
    before fc6; with `class_map` fc6 slides over it instead, and the result is [B, h, w, K].
    Raises ModelError for images that are too small or have other than 1 or 3 channels.
    """

    input_shape: tuple = (224, 224, 3)
    num_classes: int = 1000
    dtype: Any = jnp.float32
    dropout_rate: float = 0.5
    class_map: bool = False
    features: tuple = (96, 256, 384, 384, 256)
    stem: tuple = (11, 4, (0, 3))  # conv1's window, stride and padding (before, after) in pixels
    groups: int = 2
    # k and alpha of section 3.3, over n = 5 maps with beta = 0.75; None: no normalisation.
    lrn: tuple | None = (2.0, 1e-4)
    # 1: over all maps, as the text has it; 2: within a GPU's maps, as was run (which changes maps
    # 46 to 49 of 96 and 126 to 129 of 256).
    lrn_groups: int = 1
    pooling: tuple = (3, 2)  # window and stride; (2, 2) does not overlap (section 3.4)
    pool_first: bool = False
    window: int = 6
    hidden: int = 4096
    dropout_first: bool = False  # drop the inputs of fc6 and fc7, not their outputs
    biased: tuple = BIASED
    kernel_init: Init = normal(0.01)
    hidden_init: Init = normal(0.01)  # of fc6 and fc7
    # Deviation from which conv3 to conv5 start; 0: as the other convolutions. The authors' files
    # have 0.03, the text has 0.01 for all.
    deep_std: float = 0.0

    @nn.nowrap
    def smallest_image(self) -> int:
        """The smallest side of an image: pool5 has one position, or fills fc6's window."""
        side = self.window if self.class_map else 1
        for _ in range(3):
            side = smallest_map(side, *self.pooling)
        window, stride, padding = self.stem
        return (side - 1) * stride + window - sum(padding)

    def conv(self, x: Array, name: str, features: int, window: int, **fields: Any) -> Array:
        """A convolution and its ReLU; the name relu6 is that of fc6's."""
        fields = dict(kernel_init=self.kernel_init) | fields
        bias_init = ones if name in self.biased else zeros
        layer = Conv(features, window, dtype=self.dtype, bias_init=bias_init, name=name, **fields)
        relu = "relu_conv6" if name == "conv6" else name.replace("conv", "relu")
        return ReLU(name=relu)(layer(x))

    def pool(self, x: Array, name: str) -> Array:
        """The pooling that ends stage 1 or 2, with the normalisation before or after it."""
        pool = MaxPool(*self.pooling, name=f"pool{name}")
        if self.lrn is None:
            return pool(x)
        k, alpha = self.lrn
        norm = LocalResponseNorm(k=k, alpha=alpha, groups=self.lrn_groups, name=f"norm{name}")
        return norm(pool(x)) if self.pool_first else pool(norm(x))

    def fully_connected(self, x: Array, name: str, window: int, train: bool) -> Array:
        """A hidden linear layer, its ReLU, and dropout before or after them."""
        drop = nn.Dropout(self.dropout_rate, deterministic=not train)
        layer = FullyConnected(
            self.hidden,
            window,
            dtype=self.dtype,
            kernel_init=self.hidden_init,
            bias_init=ones if name in self.biased else zeros,
            name=name,
        )
        relu = ReLU(name=name.replace("fc", "relu"))
        return relu(layer(drop(x))) if self.dropout_first else drop(relu(layer(x)))

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        check_images(images, self.smallest_image(), type(self).__name__)
        window, stride, padding = self.stem
        f, g = self.features, self.groups
        deep = {"kernel_init": normal(self.deep_std)} if self.deep_std else {}
        x = images.astype(self.dtype)
        x = self.conv(x, "conv1", f[0], window, stride=stride, padding=(padding, padding))
        # [B,55,55,96]
        x = self.pool(x, "1")  # [B,27,27,96]
        x = self.conv(x, "conv2", f[1], 5, groups=g, padding=2)  # [B,27,27,256]
        x = self.pool(x, "2")  # [B,13,13,256]
        x = self.conv(x, "conv3", f[2], 3, padding=1, **deep)  # [B,13,13,384]
        x = self.conv(x, "conv4", f[3], 3, groups=g, padding=1, **deep)  # [B,13,13,384]
        x = self.conv(x, "conv5", f[4], 3, groups=g, padding=1, **deep)  # [B,13,13,256]
        x = MaxPool(*self.pooling, name="pool5")(x)  # [B,6,6,256]
        if len(f) == 6:
            x = self.conv(x, "conv6", f[5], 3, padding=1, kernel_init=normal(0.03))  # [B,6,6,256]
        x = Identity(name="features")(x)
        if not self.num_classes:
            return as_logits(x, self.class_map)  # [B,C]
        x = x if self.class_map else ops.adaptive_avg_pool(x, self.window)
        x = self.fully_connected(x, "fc6", self.window, train)  # [B,1,1,4096]
        x = self.fully_connected(x, "fc7", 1, train)  # [B,1,1,4096]
        fields = dict(dtype=self.dtype, kernel_init=self.kernel_init)
        x = FullyConnected(self.num_classes, name="fc8", **fields)(x)  # [B,1,1,K]
        return as_logits(x, self.class_map)
