"""Fully convolutional networks (Long, Shelhamer & Darrell, CVPR 2015, sections 4 and 5).

  python -m jaxcnn.main --config=configs/fcn.py:fcn8s_small --workdir=runs/fcn8s       # minutes
  jaxcnn import vgg16 download --out weights/vgg16
  python -m jaxcnn.main --config=configs/fcn.py:fcn32s_vgg16 --workdir=runs/fcn32s_vgg16 \\
    --config.data.data_dir=ROOT
  python -m jaxcnn.main --config=configs/fcn.py:fcn16s_vgg16 --workdir=runs/fcn16s_vgg16 \\
    --config.data.data_dir=ROOT
  python -m jaxcnn.main --config=configs/fcn.py:fcn8s_vgg16 --workdir=runs/fcn8s_vgg16 \\
    --config.data.data_dir=ROOT

ROOT/{train,val}/images/*.jpg with ROOT/{train,val}/masks/*.png and ROOT/classes.txt
(docs/segmentation.md). `fcn16s_vgg16` begins with runs/fcn32s_vgg16 and `fcn8s_vgg16` with
runs/fcn16s_vgg16, `fcn32s_alexnet` and `fcn32s_googlenet` with runs of configs/alexnet.py:caffenet
and configs/googlenet.py; --config.init_from names others. `-released` is the authors' later code.

Published mean IU in %, PASCAL VOC 2011 segmentation validation (tables 1 and 3): `fcn32s_alexnet`
39.8, `fcn32s_vgg16` 56.0 in the comparison and 59.4 with more data, `fcn32s_googlenet` 42.5,
`fcn16s_vgg16` 62.4, `fcn8s_vgg16` 62.7. The authors' released networks: 63.6, 65.0, 65.5.
Measured here: not run. The `_small` networks are this project's own, for the generated shapes:
docs/segmentation.md has what they reach.

What is uncertain. The paper prints the weight decay as 5^-4 or 2^-4 and GoogLeNet's rate as 5^-5:
5e-4 and 5e-5 are meant. It does not say whether its loss was a mean over pixels or a sum; here it
is the mean, over all pixels of the batch that are not void. The rate falls by 100 for FCN-16s
(section 4.2); that it falls by 100 again for FCN-8s is from the released solvers. Those sum the
loss over the pixels of one image; here their rate and decay are turned into those of a mean over
an image of 500x375 pixels, which is exact for images of that size. At least 175 epochs, says the
caption of table 1. Background beside an image is black before the mean is subtracted. Pixels are
divided by their deviation for torchvision's VGG16, which expects it; Caffe's was not.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.data.images.preprocess import IMAGENET_MEAN, IMAGENET_STD

# {network: (learning rate, what it starts from)}
PAPER = {
    "fcn32s_alexnet": (1e-3, "runs/caffenet"),
    "fcn32s_vgg16": (1e-4, "weights/vgg16"),
    "fcn32s_googlenet": (5e-5, "runs/googlenet"),
    "fcn16s_vgg16": (1e-6, "runs/fcn32s_vgg16"),
    "fcn8s_vgg16": (1e-8, "runs/fcn16s_vgg16"),
}
# {network: the released solver's learning rate}
RELEASED = {"fcn32s_vgg16": 1e-10, "fcn16s_vgg16": 1e-12, "fcn8s_vgg16": 1e-14}
PIXELS = 500 * 375
SMALL = ("fcn32s_small", "fcn16s_small", "fcn8s_small")
VARIANTS = (*SMALL, *PAPER, *(f"{name}-released" for name in RELEASED))


def get_config(variant: str = "fcn8s_small") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if network in SMALL:
        return shapes(network)
    return released(network) if recipe == "released" else paper(network)


def pairs(network: str, batch_size: int) -> Data:
    """Images and masks in folders, whole, at their own size up to 500 pixels.

    Pixels have the scale that the classifier was trained on.
    """
    return Data(
        name="mask_folder",
        train_split="train",
        eval_split="val",
        batch_size=batch_size,
        eval_batch_size=1,
        image_size=500,
        frame="whole",
        resident="no",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD if network.endswith("_vgg16") else (1.0,),
    )


def paper(network: str) -> Config:
    """Section 4.3: 20 images, momentum 0.9, biases at twice the rate, no augmentation."""
    rate, start = PAPER[network]
    return Config(
        model=network,
        init_from=start,
        data=pairs(network, 20),
        optim=Optim(
            name="caffe",
            learning_rate=rate,
            momentum=0.9,
            weight_decay=5e-4,
            bias_rate=2.0,
            epochs=175,
        ),
    )


def released(network: str) -> Config:
    """The released solvers: one image a step, momentum 0.99, 100,000 steps."""
    _, start = PAPER[network]
    return Config(
        model=network,
        init_from=start.replace("_vgg16", "_vgg16-released") if "runs" in start else start,
        data=pairs(network, 1),
        optim=Optim(
            name="caffe",
            learning_rate=RELEASED[network] * PIXELS,
            momentum=0.99,
            weight_decay=5e-4 / PIXELS,
            bias_rate=2.0,
            steps=100_000,
        ),
    )


def shapes(network: str) -> Config:
    """Our choice, from scratch: Adam, a warm-up and a cosine."""
    return Config(
        model=network,
        data=Data(name="shapes", batch_size=32, augment=("flip",)),
        optim=Optim(
            name="adamw",
            learning_rate=2e-3,
            weight_decay=1e-4,
            schedule="cosine",
            warmup=1,
            epochs=12,
        ),
    )
