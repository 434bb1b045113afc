"""Checkpoints of random weights for tests, and what their networks say."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
from networks import build, run
from places import REPOSITORY

from jaxcnn import create_model
from jaxcnn.checkpoint.manager import Checkpointer
from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.config.schema import Config, Data, Optim
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.parallel.mesh import replicated
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.state import init_state

GREY = Preprocess(32, 1, mean=(80.0,), std=(80.0,))
COLOUR = Preprocess(
    32, 3, crop_fraction=0.8, interpolation="bicubic", mean=(120.0, 115.0, 100.0), std=(60.0,) * 3
)
DIGITS = [str(digit) for digit in range(10)]
SPLIT = "test[:11]"  # of the digits


def script(name):
    """The module scripts/NAME.py."""
    path = REPOSITORY / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoint(folder, name, *, preprocess, data, class_names=DIGITS, **fields):
    """(directory, model, variables): random weights of `name` as if trained on `data`."""
    fields["num_classes"] = len(class_names)
    model, variables, _ = build(name, (1, *preprocess.shape), **fields)
    metadata = {
        "config": to_dict(Config(model=name, data=data)),
        "model": name,
        "model_args": fields,
        "preprocessing": preprocess.to_dict(),
        "class_names": class_names,
        "eval_split": SPLIT,
    }
    saved = {"params": variables["params"], "batch_stats": {}}
    return save_variables(folder, saved, metadata), model, variables


def softmax(logits):
    """Probabilities in float64."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def by_hand(member, preprocess):
    """(probabilities, labels) of the digits' SPLIT, from the network alone."""
    _, model, variables = member
    source = open_source(Data(), SPLIT)
    views = np.stack([eval_view(source[i].image, preprocess) for i in range(len(source))])
    x = (views.astype(np.float32) - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    labels = np.array([source[i].label for i in range(len(source))])
    return softmax(run(model, variables, x)), labels


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
