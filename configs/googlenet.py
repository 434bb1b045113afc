"""GoogLeNet on ImageNet and CIFAR-10 (Szegedy et al., CVPR 2015, sections 5 and 6).

  python -m jaxcnn.main --config=configs/googlenet.py --workdir=runs/googlenet
  python -m jaxcnn.main --config=configs/googlenet.py:googlenet-quick --workdir=runs/googlenet
  python -m jaxcnn.main --config=configs/googlenet.py:googlenet_bn-modern --workdir=runs/modern

Published top-5 errors in %, validation set, one network (table 3): 10.07 with one crop, 9.15 with
ten, 7.89 with 144; the paper has no top-1. Caffe's bvlc_googlenet, quick solver (`-quick`, 60
epochs), one crop: 31.3 / 11.1. torchvision's `googlenet_bn` weights, one crop: 30.2 / 10.5.
Measured here: not run.

The paper states momentum 0.9, the rate times 0.96 every 8 epochs, crops of 8 to 100 % of the area,
and auxiliary losses times 0.3. Three things are ours or others'. It does not state the first rate,
the batch, the decay or the length: these are those of Caffe's solver files. Its Polyak averaging
of weights is an exponential moving average of 0.9999 here. Its "photometric distortions" are
brightness, contrast and saturation here. `googlenet_bn` is torchvision's network, whose training
torchvision does not state; it gets the same recipe, which is no paper's.
"""

from typing import Any

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

VARIANTS = (
    "googlenet",
    "googlenet-quick",
    "googlenet-modern",
    "googlenet_bn",
    "googlenet_bn-modern",
    "googlenet_cifar10",
    "googlenet_d2l",
)
CAFFE: dict[str, Any] = dict(
    name="caffe", learning_rate=0.01, momentum=0.9, weight_decay=2e-4, bias_rate=2.0, aux_weight=0.3
)


def get_config(variant: str = "googlenet") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if network == "googlenet_cifar10":
        return cifar10()
    if network == "googlenet_d2l":
        return dive_into_deep_learning()
    if recipe == "modern":
        return modern(network)
    return quick() if recipe == "quick" else paper(network)


def paper(network: str) -> Config:
    """10 million iterations of 32, 250 epochs. Pixels stay on the scale of 0 to 255."""
    return Config(
        model=network,
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=32,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            crop_fraction=224 / 256,
            augment=("flip", "color_jitter"),
            std=(1.0,),
        ),
        optim=Optim(
            **CAFFE,
            schedule="exponential",
            factor=0.96,
            every=8.0,
            staircase=True,
            steps=10_000_000,
            ema=0.9999,
        ),
    )


def quick() -> Config:
    """Caffe's quick_solver: the rate falls with the root of what is left of 2.4 million iterations.

    Crops of whole images squeezed into 256 x 256, as in Caffe's guide, without changes of colour.
    """
    return Config(
        model="googlenet",
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=32,
            frame="warp",
            resize=(256, 256),
            crop_fraction=224 / 256,
            augment=("flip",),
            std=(1.0,),
        ),
        optim=Optim(**CAFFE, schedule="polynomial", power=0.5, steps=2_400_000),
    )


def modern(network: str) -> Config:
    """Our choice. With BatchNorm 0.1 at 256 images, without 0.01, scaled to 1,024."""
    batch_norm = network == "googlenet_bn"
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
            std=() if batch_norm else (1.0,),
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.4 if batch_norm else 0.04,
            weight_decay=5e-5,
            schedule="cosine",
            warmup=5,
            epochs=100,
            clip_norm=1.0,
            label_smoothing=0.1,
            aux_weight=0.3,
            ema=0.9999,
        ),
    )


def cifar10() -> Config:
    """Our choice for our network; nothing is published."""
    return Config(
        model="googlenet_cifar10",
        data=Data(name="cifar10", batch_size=128, augment=("shift", "flip")),
        optim=Optim(
            name="momentum",
            learning_rate=0.1,
            weight_decay=5e-4,
            schedule="cosine",
            warmup=1,
            epochs=200,
        ),
        eval_every=5,
        checkpoint_every=5,
    )


def dive_into_deep_learning() -> Config:
    """The book's exercise on Fashion-MNIST enlarged to 96 pixels: plain SGD at 0.01, 10 epochs."""
    return Config(
        model="googlenet_d2l",
        data=Data(name="fashion_mnist", batch_size=128, mean=(0.0,), std=(255.0,)),
        optim=Optim(name="sgd", learning_rate=0.01, schedule="constant", epochs=10),
    )
