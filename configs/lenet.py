"""LeNet on handwritten digits (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 1998, sections II and III).

  python -m jaxcnn.main --config=configs/lenet.py --workdir=runs/digits                        # embedded digits, under a minute
  python -m jaxcnn.main --config=configs/lenet.py:lenet5-mnist --workdir=runs/lenet5           # MNIST, through TFDS
  python -m jaxcnn.main --config=configs/lenet.py:lenet5-mnist-distort --workdir=runs/lenet5d  # with the paper's distortions

The variant is NETWORK[-mnist][-distort], NETWORK one of lenet, lenet5, lenet_caffe.
"""

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.errors import ConfigError

# MNIST's 28x28 fields are centred in the network's 32x32, so that stroke ends stay inside C1's receptive fields (section II.B).
PAD = {"lenet": 2, "lenet5": 2, "lenet_caffe": 0}
VARIANTS = tuple(
    f"{name}{data}{distort}"
    for name in PAD
    for data in ("", "-mnist")
    for distort in ("", "-distort")
)


def get_config(variant: str = "lenet") -> Config:
    name, *parts = variant.split("-")
    if variant not in VARIANTS:
        raise ConfigError(
            f"configs/lenet.py has no variant {variant!r}; it is NETWORK[-mnist][-distort], NETWORK one of {', '.join(PAD)}"
        )
    mnist, distort = "mnist" in parts, "distort" in parts
    config = recipe(name, mnist, distort)
    # The paper's own loss, equation 9, goes with its output layer of distances.
    if name == "lenet5":
        config.optim.loss, config.optim.learning_rate, config.optim.weight_decay = (
            "lenet_map",
            0.003,
            1e-4,
        )
    if variant == "lenet5-mnist-distort":
        # Momentum does not fit the distorted digits in twenty epochs. The paper gave every weight a rate of its own, from the curvature;
        # Adam does from the gradients' size. Rate, length and the weaker distortions were chosen on train[55000:].
        config.optim.name, config.optim.weight_decay, config.optim.epochs = "adamw", 0.0, 30
        config.data.distort = (8.0, 0.1, 0.1, 1.5)
    return config


def recipe(name: str, mnist: bool, distort: bool) -> Config:
    """Momentum and a cosine schedule; the embedded digits are so few that they are always distorted."""
    return Config(
        model=name,
        data=Data(
            name="mnist" if mnist else "digits",
            batch_size=64,
            eval_batch_size=512,
            pad=PAD[name] if mnist else 0,
            augment=("distort",) if distort or not mnist else (),
        ),
        optim=Optim(
            name="momentum",
            learning_rate=0.02,
            weight_decay=5e-4,
            schedule="cosine",
            epochs=20 if mnist else 40,
            warmup=0.5,
        ),
        eval_every=1 if mnist else 5,
        checkpoint_every=1 if mnist else 5,
        log_every=200 if mnist else 100,
    )
