"""Speed of the networks on this machine: one training step and one forward pass, compiled, on data that already lies on the device.

  python scripts/benchmark.py --models resnet50,vgg16 --batch 8
  python scripts/benchmark.py --models inception_v3 --batch 4 --image-size 299 --json

A training step is forward in training mode (dropout and BatchNorm on, auxiliary heads left out), cross-entropy, backward, and SGD with
momentum on one fixed synthetic batch, its state donated. Times are medians over n steps after two that are not counted.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.table import Table

from jaxcnn.models import create_model
from jaxcnn.step import init_variables

DTYPES = {"fp32": jnp.float32, "bf16": jnp.bfloat16}
COLUMNS = ("model", "precision", "batch", "image_size", "train_ms", "train_img_s", "infer_ms", "infer_img_s", "compile_s", "n")


def main(arguments: list[str] | None = None) -> int:
    """Prints one line a model; 0, or 2 when a model or a size does not exist."""
    options = parse(arguments)
    rows = []
    try:
        for row in MODES[options.mode](options):
            rows.append(row)
            if options.json:
                print(json.dumps(row), flush=True)
    except ValueError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    if not options.json:
        Console().print(table(rows))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; `mode` is the key of `MODES` that a flag selects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", required=True, metavar="A,B", help="names, separated by commas; scripts/summarize.py lists them")
    parser.add_argument("--batch", type=positive, default=8, help="images a step (default 8)")
    parser.add_argument("--image-size", type=positive, default=224, metavar="S", help="S x S pixels (default 224)")
    parser.add_argument("--precision", choices=DTYPES, default="fp32", help="of the computation; parameters stay float32")
    parser.add_argument("-n", type=positive, default=5, help="timed steps (default 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(mode="step")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def named_models(options: argparse.Namespace) -> dict[str, nn.Module]:
    """The models by name, all of them looked up before the first is timed; raises ValueError for a name that does not exist."""
    return {name: create_model(name, dtype=DTYPES[options.precision]) for name in options.models.split(",")}


def step_times(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a model: the times of a training step and of a forward pass."""
    for name, model in named_models(options).items():
        shape = (options.batch, options.image_size, options.image_size, model.input_shape[-1])
        image_key, label_key, model_key = jax.random.split(jax.random.key(0), 3)
        images = jax.random.normal(image_key, shape)
        labels = jax.random.randint(label_key, (options.batch,), 0, model.num_classes)
        variables = jax.jit(lambda key, model=model, shape=shape: init_variables(key, model, shape[1:]))(model_key)
        tx = optax.sgd(0.01, momentum=0.9)
        state = (variables, tx.init(variables["params"]), jax.random.key(1))
        started = time.perf_counter()
        step = jax.jit(train_step(model, tx), donate_argnums=0).lower(state, images, labels).compile()
        compile_s = time.perf_counter() - started
        train_s, state = timed_steps(step, state, images, labels, options.n)
        infer_s = timed(jax.jit(model.apply), state[0], images, n=options.n)
        yield {
            "framework": "jaxcnn",
            "model": name,
            "device": jax.default_backend(),
            "precision": options.precision,
            "batch": options.batch,
            "image_size": options.image_size,
            "train_ms": round(train_s * 1e3, 2),
            "train_img_s": round(options.batch / train_s, 1),
            "infer_ms": round(infer_s * 1e3, 2),
            "infer_img_s": round(options.batch / infer_s, 1),
            "compile_s": round(compile_s, 1),
            "n": options.n,
        }


def train_step(model: nn.Module, tx: optax.GradientTransformation) -> Callable[..., Any]:
    """step((variables, optimizer state, key), images, labels) -> (the same after one update, loss)."""

    def step(state, images, labels):
        variables, opt_state, key = state
        key, dropout_key = jax.random.split(key)

        def loss_fn(params):
            inputs = {"params": params, "batch_stats": variables["batch_stats"]}
            logits, new = model.apply(inputs, images, train=True, rngs={"dropout": dropout_key}, mutable=["batch_stats"])
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels)), new.get("batch_stats", {})

        (loss, statistics_), grads = jax.value_and_grad(loss_fn, has_aux=True)(variables["params"])
        updates, opt_state = tx.update(grads, opt_state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return ({"params": params, "batch_stats": statistics_}, opt_state, key), loss

    return step


def timed_steps(step: Callable[..., Any], state: Any, images: Any, labels: Any, n: int) -> tuple[float, Any]:
    """Median seconds of n steps that each consume the state of the one before, and the last state."""
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter()
        state, loss = jax.block_until_ready(step(state, images, labels))
        seconds.append(time.perf_counter() - started)
    if not jnp.isfinite(loss):
        print("benchmark.py: warning: the loss is not finite, so some operations may have run faster or slower", file=sys.stderr)
    return statistics.median(seconds[2:]), state


def timed(function: Callable[..., Any], *inputs: Any, n: int) -> float:
    """Median seconds of n calls of `function`."""
    seconds = []
    for _ in range(n + 2):
        started = time.perf_counter()
        jax.block_until_ready(function(*inputs))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:])


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a reader."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column in ("model", "precision") else "right")
    for row in rows:
        shown.add_row(*(str(row[column]) for column in COLUMNS))
    return shown


# A mode yields rows; a flag that selects one stores its key with `action="store_const", dest="mode"`.
MODES: dict[str, Callable[[argparse.Namespace], Iterator[dict[str, Any]]]] = {"step": step_times}

if __name__ == "__main__":
    sys.exit(main())
