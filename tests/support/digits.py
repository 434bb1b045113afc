"""A tiny run on the embedded digits, on two devices."""

import dataclasses

import jax

from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.train import loop


def tiny(**changes):
    """A run of 40 steps with augmentation, averaged weights, evaluations and checkpoints."""
    config = Config(
        model="lenet",
        data=Data(name="digits", batch_size=64, augment=("distort",)),
        optim=Optim(learning_rate=0.02, schedule="cosine", steps=40, ema=0.9),
        eval_every=0.5,
        checkpoint_every=0.25,
        log_every=10,
        tensorboard=False,
    )
    return dataclasses.replace(config, **changes)


def two_devices():
    """Two of the eight host devices: eight threads of two cores only slow these tests down."""
    return jax.devices()[:2]


def train(config, workdir, **options):
    """A run on two devices, without pictures unless they are asked for."""
    return loop.train(config, workdir, devices=two_devices(), **{"pictures": False} | options)
