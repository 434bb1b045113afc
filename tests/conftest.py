"""One strict JAX for every test: 8 host devices, no silent promotion of dtypes or ranks, warnings are errors (pyproject.toml)."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()
)

import fcntl
import pathlib
import subprocess
import sys

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

REPOSITORY = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="session")
def test_data(tmp_path_factory) -> pathlib.Path:
    """A TFDS data directory with real mnist, cifar10 and 250 files of imagenet2012, or a skip that says where it was looked for."""
    place = pathlib.Path(
        os.environ.get("JAXCNN_TEST_DATA", REPOSITORY.parent / "shared" / "data")
    ).absolute()
    if (place / "mnist").is_dir():
        return place
    if not (place / "prepare.py").is_file():
        pytest.skip(
            f"no test data: {place} holds neither TFDS directories nor the script that prepares them (set JAXCNN_TEST_DATA)"
        )
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # the workers' common folder: one of them prepares, the others wait
    out = shared / "tfds"
    with (shared / "tfds.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "done").is_file():
            out.mkdir(exist_ok=True)
            subprocess.run(
                [sys.executable, str(place / "prepare.py"), str(out)],
                check=True,
                capture_output=True,
                cwd=place,
            )
            (out / "done").touch()
    return out
