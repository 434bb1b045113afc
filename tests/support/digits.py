"""A tiny run on the embedded digits, on two devices."""

import contextlib
import dataclasses

import jax
from jax.experimental.compilation_cache import compilation_cache

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


@contextlib.contextmanager
def compiled_once(folder):
    """Inside, a program that was compiled lies in `folder`, and runs of the same config share it.

    Its numbers are what matters, so it is not optimized, and its random bits are cheap ones.
    """
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_disable_most_optimizations": True,
        "jax_default_prng_impl": "unsafe_rbg",
    }
    before = {name: jax.config.values[name] for name in settings}
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
