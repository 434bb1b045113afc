"""FCN-8s and FCN-32s on a VGG in PyTorch, with the padding and the crops of Caffe's definitions.

Written from Long, Shelhamer & Darrell 2015, section 4, and the numbers that its published networks
have typed in: padding 100, crops 5, 9 and 31, or 19 for FCN-32s.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def kernel(array):
    """HWIO -> PyTorch's OIHW."""
    return torch.from_numpy(np.asarray(array)).permute(3, 2, 0, 1)


def bilinear(size, channels):
    """Weights [C, C, size, size] of a bilinear ConvTranspose2d."""
    factor, middle = (size + 1) // 2, (size - 1) / 2
    line = 1 - np.abs(np.arange(size) - middle) / factor
    return torch.from_numpy(
        np.einsum("cd,i,j->cdij", np.eye(channels), line, line).astype(np.float32)
    )


class TorchFCN(nn.Module):
    """`params` are the JAX network's; `skips` is () or ("pool4", "pool3")."""

    def __init__(self, params, convs, window, skips):
        super().__init__()
        self.p, self.convs, self.window, self.skips = params, convs, window, skips

    def conv(self, x, name, padding=0):
        layer = self.p[name]
        weights = layer["kernel"]
        if weights.ndim == 2:  # fully connected, over a window of the map
            k = round((weights.shape[0] / x.shape[1]) ** 0.5)
            weights = weights.reshape(k, k, x.shape[1], -1)
        bias = torch.from_numpy(np.asarray(layer["bias"]))
        return functional.conv2d(x, kernel(weights), bias, padding=padding)

    def forward(self, x):
        size, pools = x.shape[2:], {}
        for block, count in enumerate(self.convs, 1):
            for i in range(1, count + 1):
                padding = 100 if (block, i) == (1, 1) else 1
                x = functional.relu(self.conv(x, f"conv{block}_{i}", padding))
            x = pools[f"pool{block}"] = functional.max_pool2d(x, 2, 2, ceil_mode=True)
        for name in ("fc6", "fc7"):
            x = functional.relu(self.conv(x, name))
        x = self.conv(x, "score_fr")
        if not self.skips:
            return self.upscore(x, 64, 32, 19, size)
        for pool, crop in (("pool4", 5), ("pool3", 9)):
            up = torch.from_numpy(np.asarray(self.p[f"upscore_{pool}"]["kernel"]))
            x = functional.conv_transpose2d(x, up.permute(2, 3, 0, 1), stride=2)
            skipped = self.conv(pools[pool], f"score_{pool}")
            x = x + skipped[:, :, crop : crop + x.shape[2], crop : crop + x.shape[3]]
        return self.upscore(x, 16, 8, 31, size)

    def upscore(self, x, size, stride, crop, image):
        x = functional.conv_transpose2d(x, bilinear(size, x.shape[1]), stride=stride)
        return x[:, :, crop : crop + image[0], crop : crop + image[1]]
