"""What identifies a result: a digest of its arrays and the versions of the libraries behind it."""

import contextlib
import hashlib
import importlib.metadata
import platform
from typing import Any

import jax
import numpy as np

# The packages whose versions change numbers.
PACKAGES = (
    "jaxcnn",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "numpy",
    "grain",
    "tensorflow-datasets",
)


def digest(tree: Any) -> str:
    """SHA-256 over the path, type, shape and bytes of every leaf, in the order of the paths.

    Equal trees have equal digests.
    """
    leaves = {
        jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    sha = hashlib.sha256()
    for path in sorted(leaves):
        array = np.asarray(leaves[path])
        sha.update(f"{path} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def versions() -> dict[str, str]:
    """The versions of Python and of those of `PACKAGES` that are installed."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    return installed
