"""ResNet on ImageNet and CIFAR-10 (He, Zhang, Ren & Sun, CVPR 2016, sections 3.4 and 4.2).

  python -m jaxcnn.main --config=configs/resnet.py:resnet20 --workdir=runs/resnet20             # CIFAR-10; also 32, 44, 56, 110
  python scripts/prepare_data.py --statistics DATA_DIR --name imagenet2012 --image-size 256 --out statistics/imagenet2012
  python -m jaxcnn.main --config=configs/resnet.py:resnet50_v1 --workdir=runs/resnet50_v1       # the paper's; needs that mean image
  python -m jaxcnn.main --config=configs/resnet.py:resnet50-fb --workdir=runs/resnet50          # fb.resnet.torch's, which ports follow
  python -m jaxcnn.main --config=configs/resnet.py:resnet50-modern --workdir=runs/resnet50

Published errors in %, ImageNet, validation set, top-1 / top-5, where `plain18`, `plain34` and `resnet18` have no top-5 of ten crops:

  net                    plain18  plain34     resnet18     resnet34    resnet50    resnet101   resnet152
  paper, ten crops       27.94    28.54/10.0  27.88        24.52/7.46  22.85/6.71  21.75/6.05  21.43/5.71   (tables 2, 3 and 4; 34: option B)
  fb.resnet.torch, one                        30.43/10.76  26.73/8.74  24.01/7.02  22.44/6.21  22.16/6.16

CIFAR-10, test set, after the last iteration (table 6): `resnet20` 8.75, `resnet32` 7.51, `resnet44` 7.17, `resnet56` 6.97, `resnet110` 6.43
(best of five, 6.61 +- 0.16). Measured here: not run.

The paper's networks with bottlenecks are the `_v1` ones. It names no span for BatchNorm's statistics on ImageNet: 32 is fb.resnet.torch's.
"""

from typing import Any

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

IMAGENET = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50_v1", "resnet101_v1", "resnet152_v1", "plain18", "plain34"
)  # fmt: skip
CIFAR = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
VARIANTS = (
    *IMAGENET,
    *(f"{name}-{recipe}" for name in IMAGENET for recipe in ("fb", "modern")),
    *CIFAR,
)
MEAN_IMAGE = "statistics/imagenet2012/mean_image.npy"  # per-pixel mean (section 3.4); the second command above writes it


def get_config(variant: str = "resnet50") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if network in CIFAR:
        return cifar10(network)
    return {"": paper, "fb": facebook, "modern": modern}[recipe](network)


def paper(network: str) -> Config:
    """Section 3.4: up to 600,000 iterations of 256. "Weight decay of 0.0001" excepts nothing, so BatchNorm's parameters decay too."""
    return Config(
        model=network,
        model_args="bn_group_size=32",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=256,
            resize=(256, 480), crop_fraction=224 / 256, augment=("flip", "pca_color"), pixel_mean=MEAN_IMAGE, std=(1.0,),
        ),
        optim=Optim(
            name="momentum", learning_rate=0.1, momentum=0.9, weight_decay=1e-4, decay_all=True,
            schedule="plateau", factor=0.1, drops=3, steps=600_000,
        ),
    )  # fmt: skip


def facebook(network: str) -> Config:
    """fb.resnet.torch: crops by area, colour jitter and PCA colour, Nesterov's momentum, a tenth every 30 of 90 epochs.

    It multiplies and divides the sides of its crops by the aspect ratio, not by its root. PCA colour is about half as strong there, since it
    takes variances for deviations.
    """
    return Config(
        model=network,
        model_args="bn_group_size=32",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=256,
            area=(0.08, 1.0), aspect=(9 / 16, 16 / 9), crop_fraction=224 / 256, interpolation="bicubic",
            augment=("color_jitter", "pca_color", "flip"),
        ),
        optim=Optim(
            name="nesterov", learning_rate=0.1, momentum=0.9, weight_decay=1e-4, decay_all=True,
            schedule="step", boundaries=(30.0, 60.0), epochs=90,
        ),
    )  # fmt: skip


def modern(network: str) -> Config:
    """Goyal et al. 2017 (warm-up, linear scaling of 0.1 at 256, last scales of blocks from zero); decay, cosine, smoothing, averaging: ours."""
    return Config(
        model=network,
        model_args="bn_group_size=128" + ("" if network.startswith("plain") else ", zero_init_residual=True"),
        precision="bfloat16",
        data=Data(name="imagenet2012", eval_split="validation", batch_size=1024, area=(0.08, 1.0), crop_fraction=224 / 256, augment=("flip",)),
        optim=Optim(
            name="nesterov", learning_rate=0.4, weight_decay=5e-5, schedule="cosine", warmup=5, epochs=100,
            label_smoothing=0.1, ema=0.9999,
        ),
    )  # fmt: skip


def cifar10(network: str) -> Config:
    """Section 4.2: 64,000 iterations of 128 on two GPUs, a tenth at 32,000 and 48,000; 110 layers start at 0.01 for 400 iterations.

    The paper ends that warm-up "until the training error is below 80 %", which it puts at about 400 iterations.
    """
    epochs = 128 / 50_000  # of one iteration
    drops: dict[str, Any] = {"boundaries": (32_000 * epochs, 48_000 * epochs), "learning_rate": 0.1}
    if network == "resnet110":
        drops: dict[str, Any] = {
            "boundaries": (400 * epochs, *drops["boundaries"]),
            "learning_rate": 0.01,
            "values": (10.0, 1.0, 0.1),
        }
    return Config(
        model=network,
        model_args="bn_group_size=64",
        data=Data(
            name="cifar10",
            batch_size=128,
            augment=("shift", "flip"),
            shift=4,
            pixel_mean="measured",
            std=(1.0,),
        ),
        optim=Optim(
            name="momentum",
            momentum=0.9,
            weight_decay=1e-4,
            decay_all=True,
            schedule="step",
            steps=64_000,
            **drops,
        ),
        eval_every=5,
        checkpoint_every=5,
    )
