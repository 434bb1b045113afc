"""Fine-tuning a network with public ImageNet weights on a folder ROOT/{train,val}/CLASS/*.jpg.

  jaxcnn import resnet50 download --out weights/resnet50
  python -m jaxcnn.main --config=configs/finetune.py:resnet50 --workdir=runs/mine \\
      --config.data.data_dir=ROOT
  jaxcnn evaluate --workdir=runs/mine

The variant is a network that has public weights; --config='configs/finetune.py:?' lists them. The
head is new, with one output for each class folder, and learns ten times as fast as the rest; the
first stages stay as they are, unless --config.frozen="()" trains them too. For weights of your own
set --config.init_from=runs/NAME, and the mean and deviation that they were trained with.

A common practice, no paper's recipe. Measured here: not run.
"""

from jaxcnn.config.recipes import choose
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.models import list_models
from jaxcnn.weights.ports import PORTS
from jaxcnn.weights.preprocessing import preprocessing

VARIANTS = tuple(sorted(PORTS))
# Per family: the layers that stay frozen, which see edges and colours, and the heads.
FAMILIES = {
    "alexnet": (("conv1", "conv2"), ("fc8",)),
    "vgg": (("conv1_*", "conv2_*"), ("fc8",)),
    "googlenet": (("conv1", "conv2*"), ("fc",)),
    "inception": (("conv2d_[1-4]*",), ("fc",)),
    "resnet": (("conv1", "bn1", "stage1"), ("fc",)),
    "efficientnet": (("stage1", "stage2", "stage3"), ("fc",)),
}


def get_config(network: str = "resnet50") -> Config:
    choose(network, VARIANTS, __file__)
    port, seen = PORTS[network], preprocessing(network)
    frozen, heads = FAMILIES[list_models()[port.model]]
    if port.model.startswith("vgg") and port.model.endswith("_bn"):
        frozen += ("bn1_*", "bn2_*")
    if network == "inception_v3":
        heads += ("aux/fc",)
    fields = dict(port.fields)
    if network == "googlenet_bn":  # its public weights come without trained heads
        fields["aux_heads"] = False
    return Config(
        model=port.model,
        model_args=fields,
        init_from=f"weights/{network}",
        fresh=heads,
        frozen=frozen,
        data=Data(
            name="folder",
            batch_size=64,
            area=(0.25, 1.0),
            augment=("flip",),
            image_size=seen["image_size"],
            crop_fraction=seen["crop_fraction"],
            interpolation=seen["interpolation"],
            mean=tuple(seen["mean"]),
            std=tuple(seen["std"]),
        ),
        optim=Optim(
            name="momentum",
            learning_rate=0.001,
            weight_decay=1e-4,
            layer_rates=dict.fromkeys(heads, 10.0),
            schedule="cosine",
            warmup=1,
            epochs=20,
            label_smoothing=0.1,
        ),
    )
