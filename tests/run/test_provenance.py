"""What identifies a result."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.run import provenance
from jaxcnn.run.provenance import digest, versions


def test_a_digest_is_the_sha256_of_paths_types_shapes_and_bytes():
    kernel, bias = np.ones((2, 3), np.float32), np.zeros(3, np.float32)
    by_hand = hashlib.sha256()
    by_hand.update(b"['a']['bias'] float32 (3,)" + bias.tobytes())
    by_hand.update(b"['a']['kernel'] float32 (2, 3)" + kernel.tobytes())
    tree = {"a": {"kernel": kernel, "bias": bias}}
    assert digest(tree) == by_hand.hexdigest()
    assert digest({"a": {"bias": bias, "kernel": np.asfortranarray(kernel)}}) == digest(tree)
    assert digest({"a": {"kernel": kernel, "bias": -bias}}) != digest(tree)


def test_versions_are_those_installed():
    assert versions()["jax"] == jax.__version__ and "python" in versions()


def test_digest_sees_names_shapes_types_and_bits():
    base = {"a": np.arange(4, dtype=np.float32)}
    others = [
        {"b": base["a"]},
        {"a": base["a"].reshape(2, 2)},
        {"a": base["a"].astype(np.int32)},
        {"a": np.nextafter(base["a"], 9)},
    ]
    digests = {provenance.digest(tree) for tree in [base, *others]}
    assert len(digests) == 5
    assert provenance.digest({"a": jnp.arange(4, dtype=jnp.float32)}) == provenance.digest(base)
