"""The Inception networks after GoogLeNet, on ImageNet.

The papers are arXiv:1502.03167 section 4.2, 1512.00567 section 8 and 1602.07261 section 4.

  python -m jaxcnn.main --config=configs/inception.py:bn_inception --workdir=runs/bn_inception
  python -m jaxcnn.main --config=configs/inception.py:inception_v3 --workdir=runs/inception_v3
  python -m jaxcnn.main --config=configs/inception.py:inception_v3-large_batch --workdir=runs/large
  python -m jaxcnn.main --config=configs/inception.py:inception_v3-modern --workdir=runs/modern

Published errors in %, top-1 / top-5, validation set, one crop: `bn_inception` 25.2 / 7.8 (its
table 3 lists the steps to 72.2 % and the best accuracy: BN-x30 74.8 % after 6 million steps,
BN-x5 73.0 %); and on the 48,238 images that are not blacklisted `inception_v3` 21.2 / 5.6,
`inception_resnet_v1` 21.3 / 5.5, `inception_v4` 20.0 / 5.0, `inception_resnet_v2` 19.9 / 4.9
(probably the released network, which this is). Measured here: not run.

The papers do not state the augmentation: it is GoogLeNet's, without colour in `bn_inception`
("less photometric distortion"). Nor do they state the momentum of RMSProp, the weight decay and
the averaging's decay: 0.9, 4e-5 and 0.9999 are the authors' release's (tensorflow/models,
research/inception). Three things differ from that release or the papers:

- The papers updated weights from each replica by itself: v3 from 50 replicas with batches of 32,
  v4 and the residual networks from 20, whose batch is not stated. Here one step takes all of their
  images, with BatchNorm over 32. At the papers' rate of 0.045 that takes far fewer steps of the
  same size and probably trains too little. `inception_v3-large_batch` is Google's own recipe for
  one large batch (tensorflow/tpu, models/experimental/inception/inception_v3.py): a rate of 0.165
  for 256 images, times 0.94 every three epochs, an averaging decay of 0.995, no clipping.
- The release keeps 0.9997 of BatchNorm's statistics at each step (Google's large-batch code 0.996);
  here 0.9 is kept, and the average of the weights, which evaluation uses, averages them as well.
- The length of BN-x5 is not stated: it is that of BN-x30. The length of v4 and the residual
  networks, their label smoothing and the weight of their auxiliary heads' losses are v3's. v3 clips
  gradients at 2 (section 8); section 4 of the v4 paper does not mention clipping, so there is none.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

REPLICAS = {
    "inception_v3": 50,
    "inception_v4": 20,
    "inception_resnet_v1": 20,
    "inception_resnet_v2": 20,
}
NETWORKS = ("bn_inception", *REPLICAS)
VARIANTS = (
    *NETWORKS,
    "bn_inception-x5",
    "inception_v3-large_batch",
    *(f"{name}-modern" for name in NETWORKS),
)
HALF = (127.5,)  # mean and deviation: pixels in [-1, 1], as in the authors' release


def get_config(variant: str = "inception_v3") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if recipe == "modern":
        return modern(network)
    if network == "bn_inception":
        return bn_inception(rate=0.0075 if recipe == "x5" else 0.045)
    return large_batch() if recipe == "large_batch" else rmsprop(network)


def bn_inception(rate: float) -> Config:
    """Inception's 0.0015 times 30 or 5, for 6 million steps of 32 (section 4.2.2).

    The rate falls six times as fast as GoogLeNet's 0.96 in 8 epochs, and the decay is a fifth of
    Inception's, which is not stated: a fifth of Caffe's 2e-4.
    """
    return Config(
        model="bn_inception",
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=32,
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            crop_fraction=224 / 256,
            augment=("flip",),
            mean=HALF,
            std=HALF,
        ),
        optim=Optim(
            name="momentum",
            learning_rate=rate,
            momentum=0.9,
            weight_decay=4e-5,
            schedule="exponential",
            factor=0.96,
            every=8 / 6,
            staircase=True,
            steps=6_000_000,
            ema=0.9999,
        ),
    )


def rmsprop(network: str) -> Config:
    """Section 8 of 1512.00567: RMSProp with epsilon 1, the rate times 0.94 every two epochs.

    v3 drops 0.2 of its last features, as the release does (keep 0.8); torchvision drops half.
    """
    is_v3 = network == "inception_v3"
    dropout = {"dropout_rate": 0.2} if is_v3 else {}  # the others have 0.2 of themselves
    return Config(
        model=network,
        model_args={**dropout, "bn_group_size": 32},
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=32 * REPLICAS[network],
            area=(0.08, 1.0),
            aspect=(3 / 4, 4 / 3),
            crop_fraction=0.875,
            augment=("flip", "color_jitter"),
            mean=HALF,
            std=HALF,
        ),
        optim=Optim(
            name="rmsprop",
            learning_rate=0.045,
            rms_decay=0.9,
            epsilon=1.0,
            momentum=0.9,
            weight_decay=4e-5,
            schedule="exponential",
            factor=0.94,
            every=2.0,
            staircase=True,
            epochs=100,
            clip_norm=2.0 if is_v3 else 0.0,
            label_smoothing=0.1,
            aux_weight=0.4,
            ema=0.9999,
        ),
    )


def large_batch() -> Config:
    """Google's recipe for one large batch, here of the paper's 1,600 images."""
    config = rmsprop("inception_v3")
    config.optim.learning_rate = 0.165 * config.data.batch_size / 256
    config.optim.every = 3.0
    config.optim.ema = 0.995
    config.optim.clip_norm = 0.0
    return config


def modern(network: str) -> Config:
    """Our choice: 0.1 at 256 images scaled to 1,024."""
    return Config(
        model=network,
        model_args={"bn_group_size": 128},
        precision="bfloat16",
        data=Data(
            name="imagenet2012",
            eval_split="validation",
            batch_size=1024,
            area=(0.08, 1.0),
            crop_fraction=0.875,
            augment=("flip",),
            mean=HALF,
            std=HALF,
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.4,
            weight_decay=5e-5,
            schedule="cosine",
            warmup=5,
            epochs=100,
            clip_norm=2.0,
            label_smoothing=0.1,
            aux_weight=0.4,
            ema=0.9999,
        ),
    )
