"""The Inception networks after GoogLeNet on ImageNet (arXiv:1502.03167 section 4.2, 1512.00567 section 8, 1602.07261 section 4).

  python -m jaxcnn.main --config=configs/inception.py:bn_inception --workdir=runs/bn_inception    # "BN-x30"; bn_inception-x5 for the other
  python -m jaxcnn.main --config=configs/inception.py:inception_v3 --workdir=runs/inception_v3
  python -m jaxcnn.main --config=configs/inception.py:inception_v3-modern --workdir=runs/inception_v3

Published errors in %, top-1 / top-5, validation set, one crop: `bn_inception` 25.2 / 7.8; and on the 48,238 images that are not
blacklisted `inception_v3` 21.2 / 5.6, `inception_resnet_v1` 21.3 / 5.5, `inception_v4` 20.0 / 5.0, `inception_resnet_v2` 19.9 / 4.9 (probably
the released network, which this is). Measured here: not run.

The papers do not state the augmentation: it is GoogLeNet's, without colour in `bn_inception` ("less photometric distortion"). Nor the
momentum of RMSProp, the weight decay and the averaging's decay: 0.9, 4e-5 and 0.9999 are the authors' release's. v3 trained 50 replicas
with batches of 32, here one batch of 1,600 with BatchNorm over 32; v4 and the residual networks 20 replicas, whose batch is not stated:
32 here too, as are 100 epochs and label smoothing from v3.
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
VARIANTS = (*NETWORKS, "bn_inception-x5", *(f"{name}-modern" for name in NETWORKS))
HALF = (127.5,)  # mean and deviation: pixels in [-1, 1], as in the authors' release


def get_config(variant: str = "inception_v3") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    if recipe == "modern":
        return modern(network)
    if network == "bn_inception":
        return (
            bn_inception(rate=0.0075, steps=2_100_000)
            if recipe == "x5"
            else bn_inception(rate=0.045, steps=2_700_000)
        )
    return rmsprop(network)


def bn_inception(rate: float, steps: int) -> Config:
    """Inception's 0.0015 times 30 or 5, falling six times as fast as GoogLeNet's 0.96 in 8 epochs, a fifth of its decay (Caffe's 2e-4)."""
    return Config(
        model="bn_inception",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=32,
            area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), crop_fraction=224 / 256, augment=("flip",), mean=HALF, std=HALF,
        ),
        optim=Optim(
            name="momentum", learning_rate=rate, momentum=0.9, weight_decay=4e-5,
            schedule="exponential", factor=0.96, every=8 / 6, staircase=True, steps=steps, ema=0.9999,
        ),
    )  # fmt: skip


def rmsprop(network: str) -> Config:
    """Section 8 of 1512.00567: RMSProp with epsilon 1, the rate times 0.94 every two epochs, gradients clipped at 2."""
    return Config(
        model=network,
        model_args="bn_group_size=32",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=32 * REPLICAS[network],
            area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), crop_fraction=0.875, augment=("flip", "color_jitter"), mean=HALF, std=HALF,
        ),
        optim=Optim(
            name="rmsprop", learning_rate=0.045, rms_decay=0.9, epsilon=1.0, momentum=0.9, weight_decay=4e-5,
            schedule="exponential", factor=0.94, every=2.0, staircase=True, epochs=100,
            clip_norm=2.0, label_smoothing=0.1, aux_weight=0.4, ema=0.9999,
        ),
    )  # fmt: skip


def modern(network: str) -> Config:
    """Our choice: 0.1 at 256 images scaled to 1,024."""
    return Config(
        model=network,
        model_args="bn_group_size=128",
        precision="bfloat16",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=1024, area=(0.08, 1.0), crop_fraction=0.875, augment=("flip",), mean=HALF, std=HALF
        ),
        optim=Optim(
            name="nesterov", learning_rate=0.4, weight_decay=5e-5, schedule="cosine", warmup=5, epochs=100,
            clip_norm=2.0, label_smoothing=0.1, aux_weight=0.4, ema=0.9999,
        ),
    )  # fmt: skip
