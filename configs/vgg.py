"""VGG on ImageNet and CIFAR-10 (Simonyan & Zisserman, ICLR 2015, section 3.1).

  python -m jaxcnn.main --config=configs/vgg.py:vgg16 --workdir=runs/vgg16     # S = 256

The paper's order, in which each run starts from the one before (--config.init_from=... for other
folders than these), is net A, then net D on A's layers, then D at S = 384, then D with S drawn
from [256, 512]:

  python -m jaxcnn.main --config=configs/vgg.py:vgg11 --workdir=runs/vgg11
  python -m jaxcnn.main --config=configs/vgg.py:vgg16-from_a --workdir=runs/vgg16
  python -m jaxcnn.main --config=configs/vgg.py:vgg16-384 --workdir=runs/vgg16-384
  python -m jaxcnn.main --config=configs/vgg.py:vgg16-jitter --workdir=runs/vgg16-jitter

Published errors in %, top-1 / top-5, validation set, dense evaluation at one scale (table 3):

  net            vgg11      vgg11_lrn  vgg13     vgg16_1x1  vgg16      vgg19
  S = 256        29.6/10.4  29.7/10.5  28.7/9.9  28.1/9.4   27.0/8.8   27.3/9.0
  S = 384                                        28.1/9.3   26.8/8.7   26.9/8.7
  S in 256-512                                   27.3/8.8   25.6/8.1   25.5/8.0

torchvision's `_bn` weights, one crop: vgg16_bn 26.6 / 8.5, vgg19_bn 25.8 / 8.2. kuangliu's
pytorch-cifar states 92.64 % for `vgg16_cifar10`; that figure is of January 2017 and the cosine
schedule of November 2020, so it is not this recipe's. Measured here: not run.

Two things differ from the text. Weights start from He's deviations, under which nets B to E train
from scratch (section 3.1 found the same of Glorot's), where the paper draws from a fixed deviation
and needs net A for the others. To go with them, pixels are divided by their deviation, where the
paper only subtracts the mean. The rate of the jittered stage is not stated: it is that of S = 384.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

PAPER = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_1x1", "vgg16", "vgg19")
BATCH_NORM = ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")
VARIANTS = (
    *PAPER,
    *(f"{name}-from_a" for name in PAPER[2:]),
    *(f"{name}-{stage}" for name in PAPER[3:] for stage in ("384", "jitter")),
    *BATCH_NORM,
    *(f"{name}-modern" for name in (*PAPER, *BATCH_NORM)),
    "vgg16_cifar10",
    "vgg11_d2l",
)
# Training scale S, the rate, the run to start from, and its layers that section 3.1 leaves out.
STAGES = {
    "": ((256, 256), 0.01, "", ()),
    "from_a": ((256, 256), 0.01, "runs/vgg11", ("conv4_*", "conv5_*")),
    "384": ((384, 384), 0.001, "runs/{}", ()),
    "jitter": ((256, 512), 0.001, "runs/{}-384", ()),
}


def get_config(variant: str = "vgg16") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if recipe == "modern":
        return modern(network)
    if network == "vgg16_cifar10":
        return cifar10()
    if network == "vgg11_d2l":
        return dive_into_deep_learning()
    return torchvision(network) if network in BATCH_NORM else paper(network, *STAGES[recipe])


def paper(
    network: str, scale: tuple[int, int], rate: float, init_from: str, fresh: tuple[str, ...]
) -> Config:
    """Section 3.1; evaluated at Q = the middle of the training scale."""
    return Config(
        model=network,
        init_from=init_from.format(network),
        fresh=fresh,
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=256,
            resize=scale,
            crop_fraction=224 / (sum(scale) / 2),
            augment=("flip", "pca_color"),
        ),
        optim=Optim(
            name="caffe",
            learning_rate=rate,
            momentum=0.9,
            weight_decay=5e-4,
            schedule="plateau",
            factor=0.1,
            drops=3,
            epochs=74,
        ),
    )


def torchvision(network: str) -> Config:
    """torchvision's recipe for its `_bn` nets: 0.1, a tenth every 30 of 90 epochs.

    0.1 is the default of references/classification; its 0.01 is for AlexNet and VGG without
    BatchNorm. Everything decays. Statistics span the 32 images of one of eight GPUs.
    """
    return Config(
        model=network,
        model_args={"bn_group_size": 32},
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=256,
            area=(0.08, 1.0),
            crop_fraction=224 / 256,
            augment=("flip",),
        ),
        optim=Optim(
            name="momentum",
            learning_rate=0.1,
            weight_decay=1e-4,
            decay_all=True,
            schedule="step",
            boundaries=(30.0, 60.0),
            epochs=90,
        ),
    )


def modern(network: str) -> Config:
    """Our choice: 0.01 at 256 images, with BatchNorm 0.1, scaled to 1,024."""
    batch_norm = network in BATCH_NORM
    return Config(
        model=network,
        model_args={"bn_group_size": 128} if batch_norm else {},
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
            learning_rate=0.4 if batch_norm else 0.04,
            weight_decay=1e-4,
            schedule="cosine",
            warmup=5,
            epochs=90,
            clip_norm=1.0,
            label_smoothing=0.1,
            ema=0.9999,
        ),
    )


def cifar10() -> Config:
    """pytorch-cifar's since 2020: 0.1, cosine, 200 epochs, shifts by 4 pixels and flips.

    Everything decays.
    """
    return Config(
        model="vgg16_cifar10",
        data=Data(name="cifar10", batch_size=128, augment=("shift", "flip")),
        optim=Optim(
            name="momentum",
            learning_rate=0.1,
            weight_decay=5e-4,
            decay_all=True,
            schedule="cosine",
            epochs=200,
        ),
        eval_every=5,
        checkpoint_every=5,
    )


def dive_into_deep_learning() -> Config:
    """The book's exercise on Fashion-MNIST enlarged to 224 pixels: plain SGD at 0.01, 10 epochs."""
    return Config(
        model="vgg11_d2l",
        data=Data(name="fashion_mnist", batch_size=128, mean=(0.0,), std=(255.0,)),
        optim=Optim(name="sgd", learning_rate=0.01, schedule="constant", epochs=10),
    )
