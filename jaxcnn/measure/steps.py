"""What `scripts/benchmark.py` measures: training steps and forward passes of networks, and the lowerings of convolutions."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn.measure.timing import timed, timed_steps
from jaxcnn.models import create_model
from jaxcnn.train.state import init_variables

Row = dict[str, Any]


DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}


def step_times(
    names: Sequence[str], *, batch: int, image_size: int, precision: str, n: int
) -> Iterator[Row]:
    """A row for each model: medians over n of a training step and of a forward pass, on one synthetic batch on the device.

    Raises ValueError for a name that does not exist before anything is timed.
    """
    models = {name: create_model(name, dtype=DTYPES[precision]) for name in names}
    for name, model in models.items():
        shape = (batch, image_size, image_size, model.input_shape[-1])
        image_key, label_key, model_key = jax.random.split(jax.random.key(0), 3)
        images = jax.random.normal(image_key, shape)
        labels = jax.random.randint(label_key, (batch,), 0, model.num_classes)
        variables = jax.jit(
            lambda key, model=model, shape=shape: init_variables(key, model, shape[1:])
        )(model_key)
        tx = optax.sgd(0.01, momentum=0.9)
        state = (variables, tx.init(variables["params"]), jax.random.key(1))
        started = time.perf_counter()
        step = (
            jax.jit(train_step(model, tx), donate_argnums=0).lower(state, images, labels).compile()
        )
        compile_s = time.perf_counter() - started
        train_s, state = timed_steps(step, state, images, labels, n)
        infer_s, _ = timed(jax.jit(model.apply), state[0], images, n=n)
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


def train_step(model: nn.Module, tx: optax.GradientTransformation) -> Callable[..., Any]:
    """step((variables, optimizer state, key), images, labels) -> (the same after one update, loss); auxiliary heads left out."""

    def step(state, images, labels):
        variables, opt_state, key = state
        key, dropout_key = jax.random.split(key)

        def loss_fn(params):
            inputs = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, new = model.apply(
                inputs, images, train=True, rngs={"dropout": dropout_key}, mutable=["batch_stats"]
            )
            return jnp.mean(
                optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            ), new.get("batch_stats", {})

        (loss, batch_stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(variables["params"])
        updates, opt_state = tx.update(grads, opt_state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return ({"params": params, "batch_stats": batch_stats}, opt_state, key), loss

    return step
