"""One strict JAX for every test: 8 host devices, no silent promotion of types or ranks.

Warnings are errors, by pyproject.toml.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAXCNN_REPORT", "off")  # runs of tests end without a page
# What tests wait for is compiling: XLA's own passes stay, LLVM's are left out.
os.environ["XLA_FLAGS"] = (
    f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')} "
    "--xla_force_host_platform_device_count=8"
)

import pathlib

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def test_data() -> pathlib.Path:
    """A TFDS data directory with mnist, cifar10 and a sample of imagenet2012, or a skip."""
    given = os.environ.get("JAXCNN_TEST_DATA")
    if not given:
        pytest.skip("JAXCNN_TEST_DATA names no TFDS directory with mnist, cifar10 and imagenet2012")
    place = pathlib.Path(given).absolute()
    assert (place / "mnist").is_dir(), f"JAXCNN_TEST_DATA={given} holds no mnist"
    return place
