"""Checkpoints of a small network."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import create_model
from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.config.schema import Optim
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.parallel.mesh import replicated
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.state import init_state

PREPROCESS = Preprocess(image_size=32, channels=1, mean=(10.0,), std=(20.0,))
METADATA = {
    "model": "lenet",
    "model_args": {"num_classes": 10},
    "preprocessing": PREPROCESS.to_dict(),
    "class_names": [str(d) for d in range(10)],
}


def lenet_state(optim=None):
    """A training state of LeNet with averaged weights, drawn by NumPy: nothing is compiled."""
    model = create_model("lenet", num_classes=10)
    tx = make_optimizer(optim or Optim(), 10.0)
    shapes = jax.eval_shape(
        lambda key: init_state(key, model, tx, (32, 32, 1), ema=True), jax.random.key(0)
    )
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(rng.standard_normal(x.shape).astype(x.dtype)), shapes)


def at(state, step):
    """`state` at another step, with other parameters."""
    moved = jax.tree.map(lambda p: p + step, state.params)
    return state.replace(step=jnp.asarray(step, jnp.int32), params=moved)


def abstract(state, mesh):
    """`state` as shapes and types that lie whole on every device of `mesh`."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated(mesh)), state
    )


def written(workdir, state, steps, metrics=None):
    """Saves `state` at `steps` in `workdir`."""
    saver = Checkpointer(workdir, keep=2)
    for step in steps:
        saver.save(at(state, step), METADATA, (metrics or {}).get(step))
    saver.close()
