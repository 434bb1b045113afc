"""What identifies a result: a digest of its arrays and the versions of the libraries behind it."""

import hashlib
import importlib.metadata
import platform
from typing import Any

import jax
import numpy as np


def digest(tree: Any) -> str:
    """SHA-256 over the path, type, shape and bytes of every leaf, in path order: equal trees, equal digests."""
    sha = hashlib.sha256()
    for path, leaf in sorted(
        jax.tree_util.tree_flatten_with_path(tree)[0],
        key=lambda item: jax.tree_util.keystr(item[0]),
    ):
        array = np.asarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    names = (
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
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
