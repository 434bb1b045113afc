"""EfficientNet on ImageNet (Tan & Le, ICML 2019, section 5.2).

  python -m jaxcnn.main --config=configs/efficientnet.py:efficientnet_b0 --workdir=runs/b0
  python -m jaxcnn.main --config=configs/efficientnet.py:efficientnet_b5-randaugment \\
      --workdir=runs/b5
  python -m jaxcnn.main --config=configs/efficientnet.py:efficientnet_b0-modern --workdir=runs/b0m

Published top-1 accuracy in %, validation set, one crop, revised table 2 (conference version in
brackets): b0 77.1 (76.3), b1 79.1 (78.8), b2 80.1 (79.8), b3 81.6 (81.1), b4 82.9 (82.6), b5 83.6
(83.3), b6 84.0 (84.0), b7 84.3 (84.4). Measured here: not run.

The paper states RMSProp with decay and momentum 0.9, weight decay 1e-5, the rate 0.256 times 0.97
every 2.4 epochs, BatchNorm's momentum 0.99, AutoAugment, stochastic depth with survival 0.8, and
dropout from 0.2 to 0.5. From the authors' code (tensorflow/tpu, models/official/efficientnet) come
350 epochs, 5 of warm-up, label smoothing 0.1, averaged weights 0.9999, epsilon 1e-3, padding, and
what decays: all but BatchNorm, so that the biases of the gates and of the classifier do too.
`-randaugment` is the authors' later recipe in place of the learnt policy: two operations of
magnitude 9, 17 for b5, 28 for b7 (their README; for b6 between the two, our choice).

`efficientnet_lite0` to `lite4` have the same recipe, which their authors do not state (published
top-1 accuracy of lite0: 75.1).

Two things are derived and one differs. The batch is not stated: 0.256 is the code's 0.016 for 256
images scaled to 4,096 (the code's own default is 2,048). BatchNorm spans 512 images: the code's
groups of max(8, shards / 8) shards of 64. The paper held out 25,022 training images (minival) to
stop early by; here a run ends after its last epoch.
"""

from typing import Any

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

# tensorflow/tpu, models/official/efficientnet/lite: no gates, ReLU6, pixels (x - 127) / 128.
LITE = {"lite0": 224, "lite1": 240, "lite2": 260, "lite3": 280, "lite4": 300}
SIZES = {
    "b0": 224,
    "b1": 240,
    "b2": 260,
    "b3": 300,
    "b4": 380,
    "b5": 456,
    "b6": 528,
    "b7": 600,
    **LITE,
}
NETWORKS = tuple(f"efficientnet_{b}" for b in SIZES)
MAGNITUDES = {"b5": 17, "b6": 22, "b7": 28}  # of RandAugment; the smaller networks take 9
VARIANTS = (
    *NETWORKS,
    *(f"{name}-{recipe}" for name in NETWORKS for recipe in ("randaugment", "modern")),
)


def get_config(variant: str = "efficientnet_b0") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    size = network.removeprefix("efficientnet_")
    pixels = SIZES[size]
    data: dict[str, Any] = dict(
        name="imagenet2012",
        eval_split="validation",
        area=(0.08, 1.0),
        aspect=(3 / 4, 4 / 3),
        crop_fraction=pixels / (pixels + 32),
        interpolation="bicubic",
        augment=("flip", "autoaugment"),
    )
    if size in LITE:
        data |= {"mean": (127.0,), "std": (128.0,)}
    if recipe:
        data["augment"] = ("flip", "randaugment")
        data["randaugment"] = (2, MAGNITUDES.get(size, 9))
    return modern(network, data) if recipe == "modern" else paper(network, data)


def paper(network: str, data: dict[str, Any]) -> Config:
    """RMSProp at 0.256 after 5 epochs of warm-up, times 0.97 every 2.4 of 350 epochs."""
    return Config(
        model=network,
        model_args={
            "same_padding": True,
            "bn_momentum": 0.99,
            "bn_epsilon": 1e-3,
            "bn_group_size": 512,
        },
        data=Data(**data, batch_size=4096),
        optim=Optim(
            name="rmsprop",
            learning_rate=0.256,
            rms_decay=0.9,
            momentum=0.9,
            epsilon=1e-3,
            weight_decay=1e-5,
            decay_all=True,
            no_decay=("*/bn",),
            schedule="exponential",
            factor=0.97,
            every=2.4,
            staircase=True,
            warmup=5,
            epochs=350,
            label_smoothing=0.1,
            ema=0.9999,
        ),
    )


def modern(network: str, data: dict[str, Any]) -> Config:
    """Our choice: the same optimizer at a batch of 1,024, cosine, RandAugment.

    With torchvision's padding, so that weights go both ways.
    """
    return Config(
        model=network,
        model_args={"bn_group_size": 128},
        precision="bfloat16",
        data=Data(**data, batch_size=1024),
        optim=Optim(
            name="rmsprop",
            learning_rate=0.064,
            rms_decay=0.9,
            momentum=0.9,
            epsilon=1e-3,
            weight_decay=1e-5,
            schedule="cosine",
            warmup=5,
            epochs=300,
            label_smoothing=0.1,
            ema=0.9999,
        ),
    )
