"""Training from scratch on a folder of your own, ROOT/{train,val}/CLASS/*.jpg.

  python -m jaxcnn.main --config=configs/folder.py --workdir=runs/mine --config.data.data_dir=ROOT
  python -m jaxcnn.main --config=configs/folder.py:resnet50 --workdir=runs/mine \\
      --config.data.data_dir=ROOT --config.optim.epochs=200
  jaxcnn evaluate --workdir=runs/mine

The classes are the folders below ROOT/train; images for evaluation are those of ROOT/test, else
ROOT/val. A folder without either is split by itself:
--config.data.train_split="train[:90%]" --config.data.eval_split="train[90%:]" takes the last tenth
of the files, which is the last classes by alphabet, so deal the files out before. With fewer than
some thousand images a class start from public weights instead: configs/finetune.py.

All variants normalise by ImageNet's mean and deviation of each colour, crop at random by area,
flip, and learn with warm-up and a cosine. Any other network takes the same settings by
--config.model=NAME; without BatchNorm it wants a tenth of the rate.

A common practice, no paper's recipe. Measured here: not run.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim

VARIANTS = ("resnet18", "resnet50", "vgg11_bn", "googlenet_bn", "efficientnet_b0")


def get_config(network: str = "resnet18") -> Config:
    choose(network, VARIANTS, __file__)
    return Config(
        model=network,
        data=Data(
            name="folder",
            batch_size=64,
            area=(0.25, 1.0),
            crop_fraction=224 / 256,
            augment=("flip", "color_jitter"),
        ),
        optim=Optim(
            name="nesterov",
            learning_rate=0.025,
            weight_decay=5e-4,
            schedule="cosine",
            warmup=5,
            epochs=100,
            label_smoothing=0.1,
        ),
    )
