"""AlexNet and its descendants on ImageNet and CIFAR-10 (Krizhevsky, Sutskever & Hinton, NeurIPS 2012, sections 2 to 6).

  python scripts/prepare_data.py --statistics DATA_DIR --name imagenet2012 --image-size 256 --out statistics/imagenet2012
  python -m jaxcnn.main --config=configs/alexnet.py --workdir=runs/alexnet                      # needs that mean image
  python -m jaxcnn.main --config=configs/alexnet.py:alexnet-two_gpus --workdir=runs/alexnet     # one tower a device, two by two
  python -m jaxcnn.main --config=configs/alexnet.py:alexnet_owt-modern --workdir=runs/owt       # today's practice
  python -m jaxcnn.main --config=configs/alexnet.py:cuda_convnet-tanh --workdir=runs/tanh       # figure 1, the dashed line

Published errors in %, top-1 / top-5: `alexnet` on the validation set of 2012, ten crops, 40.7 / 18.2 (table 2; five networks 38.1 / 16.4);
`alexnet_half` 39.2 / 18.2 on the data of 2010, whose test set gives `alexnet` 37.5 / 17.0 (authors' configuration files, table 1);
`caffenet` 42.6 / 19.6, one crop (Caffe); `alexnet_owt` 43.5 / 20.9, one crop (torchvision's weights). Measured here: not run.

The paper divides the rate by ten by hand when the validation error stops falling; its code did so after epochs 25, 51 and 67 of 91.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim, Sharding

VARIANTS = (
    "alexnet", "alexnet-two_gpus", "alexnet_half", "caffenet", "alexnet_owt", "alexnet_owt-modern",
    "alexnet_d2l", "alexnet_cifar10", "cuda_convnet", "cuda_convnet-tanh",
)  # fmt: skip
MEAN_IMAGE = "statistics/imagenet2012/mean_image.npy"  # per-pixel mean (section 2); the first command above writes it


def get_config(variant: str = "alexnet") -> Config:
    network, recipe = choose(variant, VARIANTS, __file__)
    special = {
        "alexnet_d2l": dive_into_deep_learning,
        "alexnet_cifar10": cifar10,
        "caffenet": caffe,
    }
    if network == "cuda_convnet":
        return figure1(recipe or "relu")
    if network == "alexnet_owt":
        return modern() if recipe == "modern" else one_weird_trick()
    return (
        special[network]()
        if network in special
        else paper(network, towers=2 if recipe == "two_gpus" else 1)
    )


def paper(network: str, towers: int = 1) -> Config:
    """Section 5, with the biases' double rate from the authors' code. Pixels stay on the scale of 0 to 255, as the initial weights expect."""
    return Config(
        model=network,
        model_args="lrn_groups=2" if towers == 2 else "",  # as it was run: normalisation within a GPU's maps, nothing more to exchange
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=128,
            resize=(256, 256), crop_fraction=224 / 256, augment=("flip", "pca_color"), pixel_mean=MEAN_IMAGE, std=(1.0,),
        ),
        optim=Optim(
            name="caffe", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, bias_rate=2.0,
            schedule="plateau", factor=0.1, drops=3, epochs=90,
        ),
        sharding=Sharding(model=towers),
    )  # fmt: skip


def caffe() -> Config:
    """bvlc_reference_caffenet's solver: 450,000 iterations, a tenth every 100,000; mean image and flips, no colour augmentation."""
    epochs = 256 / 1_281_167  # of one iteration
    return Config(
        model="caffenet",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=256,
            resize=(256, 256), crop_fraction=227 / 256, augment=("flip",), pixel_mean=MEAN_IMAGE, std=(1.0,),
        ),
        optim=Optim(
            name="caffe", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, bias_rate=2.0,
            schedule="step", boundaries=tuple(n * 100_000 * epochs for n in (1, 2, 3, 4)), steps=450_000,
        ),
    )  # fmt: skip


def one_weird_trick() -> Config:
    """arXiv:1404.5997, section 5: 90 epochs, the rate times 250^(-1/3) at each quarter. Its loss, 1,000 logistic units, is softmax here."""
    return Config(
        model="alexnet_owt",
        data=Data(
            name="imagenet2012", eval_split="validation", batch_size=128, resize=(256, 256), crop_fraction=224 / 256, augment=("flip",)
        ),
        optim=Optim(
            name="caffe", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, bias_rate=2.0,
            schedule="step", factor=250 ** (-1 / 3), boundaries=(22.5, 45.0, 67.5), epochs=90,
        ),
    )  # fmt: skip


def modern() -> Config:
    """Our choice: 0.01 at 128 images scaled to 1,024, which without BatchNorm needs the warm-up and the clipping."""
    return Config(
        model="alexnet_owt",
        precision="bfloat16",
        data=Data(name="imagenet2012", eval_split="validation", batch_size=1024, area=(0.08, 1.0), crop_fraction=224 / 256, augment=("flip",)),
        optim=Optim(
            name="nesterov", learning_rate=0.08, weight_decay=1e-4, schedule="cosine", warmup=5, epochs=90,
            clip_norm=1.0, label_smoothing=0.1, ema=0.9999,
        ),
    )  # fmt: skip


def dive_into_deep_learning() -> Config:
    """The book's exercise on Fashion-MNIST enlarged to 224 pixels: plain SGD at 0.01, ten epochs."""
    return Config(
        model="alexnet_d2l",
        data=Data(name="fashion_mnist", batch_size=128, mean=(0.0,), std=(255.0,)),
        optim=Optim(name="sgd", learning_rate=0.01, schedule="constant", epochs=10),
    )


def cifar10() -> Config:
    """Our choice for our network; nothing is published."""
    return Config(
        model="alexnet_cifar10",
        data=Data(name="cifar10", batch_size=128, augment=("shift", "flip")),
        optim=Optim(
            name="momentum",
            learning_rate=0.01,
            weight_decay=5e-4,
            schedule="cosine",
            warmup=1,
            epochs=100,
        ),
        eval_every=5,
        checkpoint_every=5,
    )


def figure1(activation: str) -> Config:
    """Figure 1: no regularisation of any kind, a constant rate "chosen independently" for each activation, which the paper does not state.

    Stop at 25 % training error: 1 - train_top1 in metrics.jsonl. Tune --config.optim.learning_rate for each network before comparing.
    """
    return Config(
        model="cuda_convnet",
        model_args=f"activation={activation!r}",
        data=Data(name="cifar10", batch_size=128),
        optim=Optim(name="caffe", learning_rate=0.01, momentum=0.9, schedule="constant", epochs=40),
    )
