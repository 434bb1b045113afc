"""What `scripts/benchmark.py` measures: training steps and forward passes of networks, and the lowerings of convolutions."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import ops
from jaxcnn.models import create_model
from jaxcnn.ops.lowerings import LOWERINGS, Geometry
from jaxcnn.step import init_variables

DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}
Row = dict[str, Any]

# The convolutions that networks spend their time in: (where, image [B, H, W, C], kernel [kh, kw, C / groups, F], stride, padding, groups).
# fmt: off
CONVOLUTIONS = (
    ("resnet50 stage 2, 1x1",         (8, 56, 56, 256),  (1, 1, 256, 64),   1, 0, 1),
    ("resnet50 stage 3, 1x1/2",       (8, 56, 56, 256),  (1, 1, 256, 512),  2, 0, 1),
    ("resnet50 stem, 7x7/2",          (8, 224, 224, 3),  (7, 7, 3, 64),     2, 3, 1),
    ("resnet18 stage 1, 3x3",         (8, 56, 56, 64),   (3, 3, 64, 64),    1, 1, 1),
    ("resnet18 stage 2, 3x3",         (8, 28, 28, 128),  (3, 3, 128, 128),  1, 1, 1),
    ("resnet18 stage 3, 3x3",         (8, 14, 14, 256),  (3, 3, 256, 256),  1, 1, 1),
    ("resnet18 stage 4, 3x3",         (8, 7, 7, 512),    (3, 3, 512, 512),  1, 1, 1),
    ("vgg16 block 2, 3x3",            (4, 112, 112, 128), (3, 3, 128, 128), 1, 1, 1),
    ("alexnet conv2, 5x5 groups 2",   (16, 27, 27, 96),  (5, 5, 48, 256),   1, 2, 2),
    ("efficientnet, depthwise 3x3",   (8, 56, 56, 144),  (3, 3, 1, 144),    1, 1, 144),
    ("efficientnet, depthwise 5x5",   (8, 14, 14, 672),  (5, 5, 1, 672),    1, 2, 672),
    ("efficientnet, depthwise 3x3/2", (8, 112, 112, 96), (3, 3, 1, 96),     2, 1, 96),
)
# fmt: on
MOST_SPLITS = 32  # beyond it a split takes minutes to compile


def step_times(names: Sequence[str], *, batch: int, image_size: int, precision: str, n: int) -> Iterator[Row]:
    """A row for each model: medians over n of a training step and of a forward pass, on one synthetic batch on the device.

    Raises ValueError for a name that does not exist before anything is timed.
    """
    models = {name: create_model(name, dtype=DTYPES[precision]) for name in names}
    for name, model in models.items():
        shape = (batch, image_size, image_size, model.input_shape[-1])
        image_key, label_key, model_key = jax.random.split(jax.random.key(0), 3)
        images = jax.random.normal(image_key, shape)
        labels = jax.random.randint(label_key, (batch,), 0, model.num_classes)
        variables = jax.jit(lambda key, model=model, shape=shape: init_variables(key, model, shape[1:]))(model_key)
        tx = optax.sgd(0.01, momentum=0.9)
        state = (variables, tx.init(variables["params"]), jax.random.key(1))
        started = time.perf_counter()
        step = jax.jit(train_step(model, tx), donate_argnums=0).lower(state, images, labels).compile()
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
            logits, new = model.apply(inputs, images, train=True, rngs={"dropout": dropout_key}, mutable=["batch_stats"])
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels)), new.get("batch_stats", {})

        (loss, batch_stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(variables["params"])
        updates, opt_state = tx.update(grads, opt_state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return ({"params": params, "batch_stats": batch_stats}, opt_state, key), loss

    return step


def lowering_times(*, precision: str, n: int) -> Iterator[Row]:
    """A row for each convolution of `CONVOLUTIONS` and lowering that can compute it."""
    for where, x_shape, kernel_shape, stride, padding, groups in CONVOLUTIONS:
        dtype = DTYPES[precision]
        geometry = Geometry(x_shape, kernel_shape, (stride, stride), ((padding, padding), (padding, padding)), groups, jnp.dtype(dtype))
        x, kernel = (jax.random.normal(jax.random.key(i), shape, dtype) for i, shape in enumerate((x_shape, kernel_shape)))
        for name, lowering in LOWERINGS.items():
            if lowering.unusable(geometry) or (name == "split" and groups > MOST_SPLITS):
                continue

            def forward(x, kernel, name=name, stride=stride, padding=padding, groups=groups):
                return ops.conv2d(x, kernel, stride=stride, padding=padding, groups=groups, lowering=name)

            def both(x, kernel, dy, forward=forward):
                y, vjp = jax.vjp(forward, x, kernel)
                return y, vjp(dy)

            dy = jax.jit(forward)(x, kernel)
            wall, cpu = timed(jax.jit(forward), x, kernel, n=n)
            both_wall, both_cpu = timed(jax.jit(both), x, kernel, dy, n=n)
            row = {"convolution": where, "lowering": name, "device": jax.default_backend(), "precision": precision}
            times = {"forward_ms": wall, "forward_core_ms": cpu, "gradients_ms": both_wall, "gradients_core_ms": both_cpu}
            yield row | {key: round(seconds * 1e3, 1) for key, seconds in times.items()} | {"n": n}


def timed_steps(step: Callable[..., Any], state: Any, images: Any, labels: Any, n: int) -> tuple[float, Any]:
    """Median seconds of n steps that each consume the state of the one before, and the last state."""
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter()
        state, _ = jax.block_until_ready(step(state, images, labels))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:]), state


def timed(function: Callable[..., Any], *inputs: Any, n: int) -> tuple[float, float]:
    """Median seconds of n calls after two: by the clock, and of this process's processor time shared over the machine's cores.

    Where other programs compete for the cores the second says more.
    """
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter(), time.process_time()
        jax.block_until_ready(function(*inputs))
        seconds.append((time.perf_counter() - started[0], (time.process_time() - started[1]) / (os.cpu_count() or 1)))
    wall, core = np.median(seconds[2:], axis=0)
    return float(wall), float(core)
