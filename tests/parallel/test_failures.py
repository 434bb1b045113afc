"""Failures of devices and connections are errors of ours, with one sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import DeviceMemoryError, LostProcess
from jaxcnn.parallel.failures import translated

# What JAX 0.10 raised in runs of two processes whose other process was killed, and on GPUs and
# TPUs.
CUT_OFF = (
    "UNKNOWN: Gloo all-reduce failed: [external/gloo/transport/tcp/pair.cc:547] "
    "Connection closed by peer [127.0.0.1]:1234",
    "UNAVAILABLE: failed to connect to all addresses; last error: UNKNOWN: tcp handshaker shutdown",
    "INTERNAL: NCCL operation ncclAllReduce failed: remote process exited",
    "DEADLINE_EXCEEDED: Barrier timed out. Id: jaxcnn/saved/3",
)


def test_memory_that_does_not_suffice_is_one_sentence():
    with pytest.raises(DeviceMemoryError) as caught, translated():
        jnp.zeros(1 << 46, jnp.uint8).block_until_ready()  # 64 TiB
    said = str(caught.value)
    assert said.startswith("the devices' memory does not hold this run (RESOURCE_EXHAUSTED: Out of")
    assert "lower config.data.batch_size" in said and "\n" not in said


def test_memory_of_the_machine_that_does_not_suffice_is_one_sentence():
    with pytest.raises(DeviceMemoryError) as caught, translated():
        np.ones(1 << 50, np.uint8)  # a pebibyte
    said = str(caught.value)
    assert said.startswith("this machine's memory does not hold this run (Unable to allocate")
    assert "config.data.image_size" in said and "\n" not in said


@pytest.mark.parametrize("text", CUT_OFF)
def test_a_connection_that_breaks_is_one_sentence(text):
    with pytest.raises(LostProcess) as caught, translated():
        raise jax.errors.JaxRuntimeError(text)
    said = str(caught.value)
    assert said.startswith("another process ended or was cut off (")
    assert said.endswith("); the same command goes on from the newest checkpoint")


def test_other_errors_of_jax_pass_unchanged():
    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID_ARGUMENT"), translated():
        raise jax.errors.JaxRuntimeError("INVALID_ARGUMENT: a shape that does not fit")
