"""Times of networks: the trainer's own step and a forward pass, on data that lies on the device."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.config.schema import Optim
from jaxcnn.measure.timing import timed, timed_steps
from jaxcnn.models import create_model
from jaxcnn.train.losses import cross_entropy
from jaxcnn.train.optim import make_optimizer
from jaxcnn.train.state import init_state
from jaxcnn.train.step import make_train_step

Row = dict[str, Any]

OPTIM = Optim(name="momentum", learning_rate=0.01)


def step_times(
    names: Sequence[str], *, batch: int, image_size: int, precision: str, n: int
) -> Iterator[Row]:
    """A row for each model: medians over n of a training step and of a forward pass.

    The step is the trainer's, SGD with momentum on one synthetic batch of `batch` images, without
    augmentation and auxiliary heads. Raises ValueError for a name that does not exist before
    anything is timed.
    """
    models = {name: create_model(name, dtype=jnp.dtype(precision)) for name in names}
    for name, model in models.items():
        shape = (image_size, image_size, model.input_shape[-1])
        state, tensors, step = _training(model, batch, shape)
        started = time.perf_counter()
        compiled = jax.jit(step, donate_argnums=0).lower(state, tensors).compile()
        compile_s = time.perf_counter() - started
        train_s, state = timed_steps(compiled, state, tensors, n=n)
        infer_s, _ = timed(jax.jit(model.apply), state.variables, tensors["image"], n=n)
        yield {
            "framework": "jaxcnn",
            "model": name,
            "device": jax.default_backend(),
            "precision": precision,
            "batch": batch,
            "image_size": image_size,
            "train_ms": round(train_s * 1e3, 2),
            "train_img_s": round(batch / train_s, 1),
            "infer_ms": round(infer_s * 1e3, 2),
            "infer_img_s": round(batch / infer_s, 1),
            "compile_s": round(compile_s, 1),
            "n": n,
        }


def _training(model: Any, batch: int, shape: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    """(state, batch of normalised images and labels, the trainer's step) of `model`."""

    def prepare(key, tensors):
        del key
        return tensors["image"], jax.nn.one_hot(tensors["label"], model.num_classes)

    tx = make_optimizer(OPTIM, steps_per_epoch=1.0)
    image_key, label_key, model_key = jax.random.split(jax.random.key(0), 3)
    tensors = {
        "image": jax.random.normal(image_key, (batch, *shape)),  # [B, S, S, C]
        "label": jax.random.randint(label_key, (batch,), 0, model.num_classes),
        "mask": jnp.ones((batch,)),
    }
    state = jax.jit(lambda key: init_state(key, model, tx, shape))(model_key)
    return state, tensors, make_train_step(model, tx, cross_entropy, prepare=prepare)
