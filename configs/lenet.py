"""LeNet on handwritten digits (LeCun, Bottou, Bengio, Haffner, Proc. IEEE 1998, sections II-III).

  python -m jaxcnn.main --config=configs/lenet.py --workdir=runs/digits                    # embedded digits, seconds
  python -m jaxcnn.main --config=configs/lenet.py:lenet5 --workdir=runs/lenet5 --config.data.name=mnist
"""

from jaxcnn.config import Config, Data, Optim


def get_config(variant: str = "lenet") -> Config:
    return Config(
        model=variant,
        data=Data(name="digits", batch_size=64),
        optim=Optim(
            name="momentum",
            learning_rate=0.01,
            weight_decay=1e-4,
            schedule="cosine",
            epochs=40,
            loss="lenet_map" if variant == "lenet5" else "cross_entropy",
        ),
        eval_every=5,
        checkpoint_every=5,
        log_every=100,
    )
