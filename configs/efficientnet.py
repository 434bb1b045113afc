"""EfficientNet on ImageNet (Tan & Le, ICML 2019, section 5.2).

  python -m jaxcnn.main --config=configs/efficientnet.py:efficientnet_b0 --workdir=runs/b0      # also b1 to b7, lite0 to lite4
  python -m jaxcnn.main --config=configs/efficientnet.py:efficientnet_b0-modern --workdir=runs/b0

Published top-1 accuracy in %, validation set, one crop, revised table 2 (conference version in brackets): b0 77.1 (76.3), b1 79.1 (78.8),
b2 80.1 (79.8), b3 81.6 (81.1), b4 82.9 (82.6), b5 83.6 (83.3), b6 84.0 (84.0), b7 84.3 (84.4). Measured here: not run.

The paper's augmentation is AutoAugment. Its learnt policy is not implemented: RandAugment, two operations of magnitude 9 out of 10 from
nearly the same list, stands in for it, so the accuracies above are not this recipe's. The batch is not stated: 0.256 is the authors' 0.016 at 256
images scaled to 4,096. Epsilon of RMSProp and BatchNorm (1e-3) and padding are those of the authors' code, and the span of BatchNorm's
statistics, which the paper does not state, is our choice. Stochastic depth (survival 0.8) and dropout (0.2 to 0.5) are in the networks.
"""

from typing import Any

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

SIZES = {"b0": 224, "b1": 240, "b2": 260, "b3": 300, "b4": 380, "b5": 456, "b6": 528, "b7": 600,
         "lite0": 224, "lite1": 240, "lite2": 260, "lite3": 280, "lite4": 300}  # fmt: skip
NETWORKS = tuple(f"efficientnet_{b}" for b in SIZES)
VARIANTS = (*NETWORKS, *(f"{name}-modern" for name in NETWORKS))


def get_config(variant: str = "efficientnet_b0") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    size = SIZES[network.removeprefix("efficientnet_")]
    data: dict[str, Any] = dict(
        name="imagenet2012", eval_split="validation",
        area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), crop_fraction=size / (size + 32), interpolation="bicubic", augment=("flip", "randaugment"),
    )  # fmt: skip
    return modern(network, data) if recipe == "modern" else paper(network, data)


def paper(network: str, data: dict[str, Any]) -> Config:
    """RMSProp at 0.256 after 5 epochs of warm-up, times 0.97 every 2.4 of 350 epochs."""
    return Config(
        model=network,
        model_args="same_padding=True, bn_momentum=0.99, bn_epsilon=1e-3, bn_group_size=128",
        data=Data(**data, batch_size=4096),
        optim=Optim(
            name="rmsprop", learning_rate=0.256, rms_decay=0.9, momentum=0.9, epsilon=1e-3, weight_decay=1e-5,
            schedule="exponential", factor=0.97, every=2.4, staircase=True, warmup=5, epochs=350,
            label_smoothing=0.1, ema=0.9999,
        ),
    )  # fmt: skip


def modern(network: str, data: dict[str, Any]) -> Config:
    """Our choice: the same optimizer at a batch of 1,024, cosine, with torchvision's padding, so that weights go both ways."""
    return Config(
        model=network,
        model_args="bn_group_size=128",
        precision="bfloat16",
        data=Data(**data, batch_size=1024),
        optim=Optim(
            name="rmsprop", learning_rate=0.064, rms_decay=0.9, momentum=0.9, epsilon=1e-3, weight_decay=1e-5,
            schedule="cosine", warmup=5, epochs=300, label_smoothing=0.1, ema=0.9999,
        ),
    )  # fmt: skip
