"""What JAX and Python raise when memory or a connection fails, as this package's errors.

JAX has one class for all of them, JaxRuntimeError, and tells them apart by the text alone, so the
words that matter are collected here. tests/parallel/test_failures.py makes a device run out of
memory, and has the texts of broken connections.
"""

import contextlib
import re
from collections.abc import Iterator

import jax

from jaxcnn.errors import DeviceMemoryError, LostProcess, one_line
from jaxcnn.parallel import joining

MEMORY = "RESOURCE_EXHAUSTED"
CONNECTION = re.compile(
    "gloo|nccl|unavailable|connection|heartbeat|socket|barrier", flags=re.IGNORECASE
)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises DeviceMemoryError where memory does not suffice, and LostProcess.

    JAX means both by its one class.

    Where another process has said why it ended, this one ends with its words instead. Other errors
    pass unchanged.
    """
    try:
        yield
    except MemoryError as error:
        raise DeviceMemoryError(
            f"this machine's memory does not hold this run ({one_line(error, 150)}); lower "
            "config.data.batch_size or config.data.image_size, in a new --workdir"
        ) from error
    except jax.errors.JaxRuntimeError as error:
        text = str(error)
        if MEMORY in text:
            raise DeviceMemoryError(
                f"the devices' memory does not hold this run ({one_line(text, 150)}); "
                "lower config.data.batch_size, raise config.optim.accumulate, or set "
                'config.precision="bfloat16" or config.sharding.fsdp, in a new --workdir'
            ) from error
        if not CONNECTION.search(text):
            raise
        joining.wait_for_words()
        raise LostProcess(
            f"another process ended or was cut off ({one_line(text)}); "
            "the same command goes on from the newest checkpoint"
        ) from error
