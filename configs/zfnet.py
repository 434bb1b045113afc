"""ZFNet on ImageNet (Zeiler & Fergus, ECCV 2014, section 3).

  jaxcnn prepare --statistics DATA_DIR --name imagenet2012 --image-size 256 \\
      --out statistics/imagenet2012                         # the mean image that `zfnet` needs
  python -m jaxcnn.main --config=configs/zfnet.py --workdir=runs/zfnet
  python -m jaxcnn.main --config=configs/zfnet.py:zfnet_wide --workdir=runs/zfnet_wide

`zfnet_wide` has 512, 1024 and 512 maps in its last convolutions (table 3). Published errors in %,
top-1 / top-5, validation set: `zfnet` 38.4 / 16.5 and five of them 36.7 / 15.3 (table 2),
`zfnet_wide` 37.5 / 16.0 (table 3). Measured here: not run.

Three things differ from the text. It cuts ten fixed crops, corners and centre with their mirror
images, from each training image; here crops are drawn at random. It states no weight decay; this
is AlexNet's. It lowers the rate by hand; here it falls at a plateau.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

NETWORKS = ("zfnet", "zfnet_wide")
VARIANTS = (*NETWORKS, *(f"{name}-modern" for name in NETWORKS))
# The mean of every pixel, which the first command above writes.
MEAN_IMAGE = "statistics/imagenet2012/mean_image.npy"


def get_config(variant: str = "zfnet") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    return modern(network) if recipe == "modern" else paper(network)


def paper(network: str) -> Config:
    """Pixels stay on the scale of 0 to 255, on which the limit for the filters' RMS is stated."""
    return Config(
        model=network,
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=128,
            frame="square",
            resize=(256, 256),
            crop_fraction=224 / 256,
            augment=("flip",),
            pixel_mean=MEAN_IMAGE,
            std=(1.0,),
        ),
        optim=Optim(
            name="caffe",
            learning_rate=0.01,
            momentum=0.9,
            weight_decay=5e-4,
            max_filter_rms=0.1,
            schedule="plateau",
            factor=0.1,
            drops=3,
            epochs=70,
        ),
    )


def modern(network: str) -> Config:
    """Our choice: 0.01 at 128 images scaled to 1,024.

    Without BatchNorm that needs the warm-up and the clipping.
    """
    return Config(
        model=network,
        precision="bfloat16",
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=1024,
            area=(0.08, 1.0),
            crop_fraction=224 / 256,
            augment=("flip",),
            std=(1.0,),
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.08,
            weight_decay=5e-4,
            max_filter_rms=0.1,
            schedule="cosine",
            warmup=5,
            epochs=90,
            clip_norm=1.0,
            label_smoothing=0.1,
            ema=0.9999,
        ),
    )
