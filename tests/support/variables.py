"""Variables for a network without compiling its initialisers, which takes longer than a step."""

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict


def random_variables(model, images, *, stats=0.0):
    """{params, batch_stats} as `model.init` starts them, statistics `stats` away.

    Scales are 1, biases 0, kernels and all else N(0, 2 / fan-in).
    """
    rng = np.random.default_rng(0)
    abstract = jax.eval_shape(model.init, jax.eval_shape(jax.random.key, 0), images)
    filled = {}
    for path, leaf in flatten_dict(abstract).items():
        if path[0] == "batch_stats":
            value = stats * rng.uniform(size=leaf.shape) + (path[-1] == "var")
        elif path[-1] in ("scale", "bias"):
            value = np.full(leaf.shape, float(path[-1] == "scale"))
        else:
            value = rng.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5
        filled[path] = jnp.asarray(value, leaf.dtype)
    return {"params": {}, "batch_stats": {}} | unflatten_dict(filled)
