"""What identifies a result."""

import jax.numpy as jnp
import numpy as np

from jaxcnn.run import provenance


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
