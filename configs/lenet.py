"""LeNet on handwritten digits (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 1998, sections II and III).

  python -m jaxcnn.main --config=configs/lenet.py --workdir=runs/digits                        # embedded digits, under a minute
  python -m jaxcnn.main --config=configs/lenet.py:lenet5-mnist --workdir=runs/lenet5           # MNIST, through TFDS
  python -m jaxcnn.main --config=configs/lenet.py:lenet5-mnist-distort --workdir=runs/lenet5d  # with the paper's distortions

The variant is NETWORK[-mnist][-distort], NETWORK one of lenet, lenet5, lenet_caffe.
"""

from jaxcnn.config import Config, ConfigError, Data, Optim

# MNIST's 28x28 fields are centred in the network's 32x32, so that stroke ends stay inside C1's receptive fields (section II.B).
PAD = {"lenet": 2, "lenet5": 2, "lenet_caffe": 0}
VARIANTS = tuple(f"{name}{data}{distort}" for name in PAD for data in ("", "-mnist") for distort in ("", "-distort"))


def get_config(variant: str = "lenet") -> Config:
    name, *parts = variant.split("-")
    if variant not in VARIANTS:
        raise ConfigError(f"configs/lenet.py has no variant {variant!r}; it is NETWORK[-mnist][-distort], NETWORK one of {', '.join(PAD)}")
    mnist, distort = "mnist" in parts, "distort" in parts
    # The paper's own loss, equation 9, goes with its output layer of distances.
    loss, rate, decay = ("lenet_map", 0.003, 1e-4) if name == "lenet5" else ("cross_entropy", 0.02, 5e-4)
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
            learning_rate=rate,
            weight_decay=decay,
            schedule="cosine",
            epochs=20 if mnist else 40,
            warmup=0.5,
            loss=loss,
        ),
        eval_every=1 if mnist else 5,
        checkpoint_every=1 if mnist else 5,
        log_every=200 if mnist else 100,
    )
