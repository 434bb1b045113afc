"""ResNet on ImageNet and CIFAR-10 (He, Zhang, Ren & Sun, CVPR 2016, sections 3.4 and 4.2).

  python -m jaxcnn.main --config=configs/resnet.py:resnet20 --workdir=runs/resnet20    # CIFAR-10
  jaxcnn prepare --statistics DATA_DIR --name imagenet2012 --image-size 256 \\
      --out statistics/imagenet2012                      # the mean image that `resnet50_v1` needs
  python -m jaxcnn.main --config=configs/resnet.py:resnet50_v1 --workdir=runs/resnet50_v1
  python -m jaxcnn.main --config=configs/resnet.py:resnet50-fb --workdir=runs/resnet50
  python -m jaxcnn.main --config=configs/resnet.py:resnet50-modern --workdir=runs/modern

Without an ending the recipe is the paper's, whose networks with bottlenecks are the `_v1` ones;
`-fb` is fb.resnet.torch's, which most public weights follow. Published errors in %, ImageNet,
validation set, top-1 / top-5:

  net                    plain18  plain34     resnet34     resnet50    resnet101   resnet152
  paper, ten crops       27.94    28.54/10.0  24.52/7.46   22.85/6.71  21.75/6.05  21.43/5.71
  He's weights, one                                        24.7/7.8    23.6/7.1    23.0/6.7
  fb.resnet.torch, one                        26.73/8.74   24.01/7.02  22.44/6.21  22.16/6.16

(tables 2 to 4; KaimingHe/deep-residual-networks; `resnet18-fb` 30.43 / 10.76). `resnet34` is option
B, by another name `resnet34_b`; `resnet34_a` 25.03 / 7.76 and `resnet34_c` 24.19 / 7.40 have the
others (table 3). The paper's ResNet-18 of table 2, 27.88, has shortcuts of option A and is
`resnet18_a`; `resnet18` is B, as in the ports, and the paper has no figure for it.

CIFAR-10, test set, after the last iteration (table 6): `resnet20` 8.75, `resnet32` 7.51, `resnet44`
7.17, `resnet56` 6.97, `resnet110` 6.43 (best of five, 6.61 +- 0.16), `resnet1202` 7.93; `plain110`
more than 60 (figure 6). Measured here: not run.

The paper's momentum is Caffe's, v := momentum v + rate g (He's README); convolution and linear
kernels alone decay, since fb.resnet.torch lists decay of everything as its difference from the
paper. A run keeps running averages of BatchNorm's statistics; He's released networks have averages
over training images, computed after training (his README). So do those of

  jaxcnn recompute-statistics --workdir runs/resnet50_v1
"""

from typing import Any

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

OPTIONS = (
    "resnet18_a",
    "resnet34_a",
    "resnet34_b",
    "resnet34_c",
)  # the shortcuts of tables 2 and 3
IMAGENET = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet50_v1",
    "resnet101_v1",
    "resnet152_v1",
    "plain18",
    "plain34",
)
CIFAR = (
    *(f"resnet{depth}" for depth in (20, 32, 44, 56, 110, 1202)),
    *(f"plain{depth}" for depth in (20, 32, 44, 56, 110)),  # figure 6, left
)
# Those that start at a tenth of the rate (section 4.2).
DEEP = ("resnet110", "resnet1202", "plain110")
VARIANTS = (
    *IMAGENET,
    *OPTIONS,
    *(f"{name}-{recipe}" for name in IMAGENET for recipe in ("fb", "modern")),
    *CIFAR,
    "resnet18_d2l",
)
# The mean of every pixel (section 3.4), which the second command above writes.
MEAN_IMAGE = "statistics/imagenet2012/mean_image.npy"


def get_config(variant: str = "resnet50") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if network in CIFAR:
        return cifar10(network)
    if network == "resnet18_d2l":
        return dive_into_deep_learning()
    return {"": paper, "fb": facebook, "modern": modern}[recipe](network)


def paper(network: str) -> Config:
    """Section 3.4: up to 600,000 iterations of 256, the rate divided by ten at plateaus.

    BatchNorm spans the 32 images of one of eight GPUs (He's README).
    """
    return Config(
        model=network,
        model_args={"bn_group_size": 32},
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=256,
            resize=(256, 480),
            crop_fraction=224 / 256,
            augment=("flip", "pca_color"),
            pixel_mean=MEAN_IMAGE,
            std=(1.0,),
        ),
        optim=Optim(
            name="caffe",
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=1e-4,
            schedule="plateau",
            factor=0.1,
            drops=3,
            steps=600_000,
        ),
    )


def facebook(network: str) -> Config:
    """fb.resnet.torch: crops by area, its own colours, Nesterov's momentum, everything decays.

    The rate falls to a tenth every 30 of 90 epochs. Crops have an aspect of 3/4 to 4/3, as in that
    code since commit d4b9406 of 2016-02-25 (before it, width and height were multiplied and divided
    by the ratio itself); it draws the ratio evenly and we its logarithm. BatchNorm spans the 64
    images of one of its four GPUs, for networks from 101 layers on the 32 of one of eight.
    """
    deep = network.startswith(("resnet101", "resnet152"))
    return Config(
        model=network,
        model_args={"bn_group_size": 32 if deep else 64},
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=256,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            crop_fraction=224 / 256,
            interpolation="bicubic",
            augment=("fb_color", "flip"),
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=1e-4,
            decay_all=True,
            schedule="step",
            boundaries=(30.0, 60.0),
            epochs=90,
        ),
    )


def modern(network: str) -> Config:
    """Warm-up, 0.1 at 256 images scaled, last scales of blocks from zero (Goyal et al. 2017).

    The decay, the cosine, the smoothing and the averaging are our choice.
    """
    fields: dict[str, Any] = {"bn_group_size": 128}
    if not network.startswith("plain"):
        fields["zero_init_residual"] = True
    return Config(
        model=network,
        model_args=fields,
        precision="bfloat16",
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=1024,
            area=(0.08, 1.0),
            crop_fraction=224 / 256,
            augment=("flip",),
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.4,
            weight_decay=5e-5,
            schedule="cosine",
            warmup=5,
            epochs=100,
            label_smoothing=0.1,
            ema=0.9999,
        ),
    )


def cifar10(network: str) -> Config:
    """Section 4.2: 64,000 iterations of 128 on two GPUs, a tenth at 32,000 and 48,000.

    110 layers start at 0.01 for 400 iterations: the paper ends that warm-up "until the training
    error is below 80 %", which it puts at about 400. Of 1,202 layers and of the plain 110 it only
    says that they are trained likewise: they start so too.
    """
    epochs = 128 / 50_000  # of one iteration
    drops = (32_000 * epochs, 48_000 * epochs)
    rates: dict[str, Any] = {"learning_rate": 0.1, "boundaries": drops}
    if network in DEEP:
        rates = {
            "learning_rate": 0.01,
            "boundaries": (400 * epochs, *drops),
            "values": (10.0, 1.0, 0.1),
        }
    return Config(
        model=network,
        model_args={"bn_group_size": 64},
        data=Data(
            name="cifar10",
            batch_size=128,
            augment=("shift", "flip"),
            shift=4,
            pixel_mean="measured",
            std=(1.0,),
        ),
        optim=Optim(
            name="caffe",
            momentum=0.9,
            weight_decay=1e-4,
            schedule="step",
            steps=64_000,
            **rates,
        ),
        eval_every=5,
        checkpoint_every=5,
    )


def dive_into_deep_learning() -> Config:
    """The book's exercise on Fashion-MNIST enlarged to 96 pixels: plain SGD at 0.01, 10 epochs."""
    return Config(
        model="resnet18_d2l",
        data=Data(name="fashion_mnist", batch_size=128, mean=(0.0,), std=(255.0,)),
        optim=Optim(name="sgd", learning_rate=0.01, schedule="constant", epochs=10),
    )
