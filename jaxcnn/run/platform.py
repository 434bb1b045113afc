"""Which devices a command takes."""

import os

import jax


def on_the_cpu() -> None:
    """Lets JAX take no accelerator, for commands that run nothing on one.

    The variable JAX_PLATFORMS, where it is set, says otherwise. Called before a device is touched.
    """
    if not os.environ.get("JAX_PLATFORMS"):
        jax.config.update("jax_platforms", "cpu")
