"""Functions of the user's in a run: a network, losses, rates and augmentation, checked by shapes.

Each check runs the function on described arrays, so nothing is computed, and what does not fit ends
in one sentence that shows the expected signature.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn import own
from jaxcnn.config.schema import Config
from jaxcnn.errors import ConfigError, JaxcnnError, OwnError, one_line

LOSS = "loss(logits [B, K], targets [B, K]) -> [B], one float32 value an example"
SCHEDULE = (
    "schedule(step, total_steps, steps_per_epoch) -> the multiple of optim.learning_rate at that "
    "step, a scalar"
)
AUGMENTATION = "augment(key, images [B, S, S, C], float32, 0 to 255) -> images of that shape"
CLASSES = 10  # of the described arrays


def references(config: Config) -> list[str]:
    """Everything of the user's that a config names."""
    names = (
        config.model,
        config.data.name,
        config.optim.loss,
        config.optim.schedule,
        *config.data.augment,
    )
    return [name for name in names if own.is_reference(name)]


def own_loss(reference: str) -> Callable[..., Any]:
    """The loss that `reference` names; raises OwnError where it is none."""
    loss = _found(reference, LOSS, "logits", "targets")
    rows = jax.ShapeDtypeStruct((2, CLASSES), jnp.float32)
    _check(reference, LOSS, loss, rows, rows, gives=jax.ShapeDtypeStruct((2,), jnp.float32))
    return loss


def own_schedule(reference: str, total_steps: int, steps_per_epoch: float) -> Callable[..., Any]:
    """multiple(step) of the schedule that `reference` names; raises OwnError where it is none."""
    schedule = _found(reference, SCHEDULE, "step", total_steps, steps_per_epoch)

    def multiple(step: Any) -> jax.Array:
        return jnp.asarray(schedule(step, total_steps, steps_per_epoch), jnp.float32)

    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    _check(reference, SCHEDULE, multiple, scalar, gives=scalar)
    return multiple


def own_augmentation(reference: str, shape: tuple[int, int, int]) -> Callable[..., Any]:
    """The augmentation of images of `shape` [S, S, C] that `reference` names; else OwnError."""
    augment = _found(reference, AUGMENTATION, "key", "images")
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    _check(reference, AUGMENTATION, augment, jax.random.key(0), images, gives=images)
    return augment


def check_network(
    model: nn.Module, shape: tuple[int, int, int], logits_shape: tuple[int, ...]
) -> None:
    """Raises ConfigError unless `model` gives float32 logits [B, *logits_shape] of [B, *shape].

    Besides parameters it may keep `batch_stats` and nothing else.
    """
    name, images = type(model).__name__, jax.ShapeDtypeStruct((2, *shape), jnp.float32)

    def shapes(function: Callable[..., Any], given: Any, how: str) -> Any:
        try:
            return jax.eval_shape(function, given, images)
        except JaxcnnError:
            raise
        except Exception as error:  # the user's network is a program
            raise ConfigError(
                f"{name} cannot {how} images {list(images.shape)}: {type(error).__name__}: "
                f"{one_line(error, 300)}"
            ) from error

    start = shapes(lambda key, x: model.init(key, x, train=False), jax.random.key(0), "start on")
    if others := sorted(set(start) - {"params", "batch_stats", "aux_logits"}):
        raise ConfigError(
            f"{name} keeps variables in {', '.join(others)}; a run trains `params` and keeps "
            "`batch_stats`, and the logits of auxiliary heads are sown into `aux_logits`"
        )
    held = {kind: tree for kind, tree in start.items() if kind != "aux_logits"}
    logits = shapes(lambda v, x: model.apply(v, x, train=False), held, "take")
    wanted = jax.ShapeDtypeStruct((2, *logits_shape), jnp.float32)
    if not _alike(logits, wanted):
        raise ConfigError(
            f"{name} gives {_text(logits)} for images {list(images.shape)}; expected logits "
            f"{_text(wanted)}, for the data has {logits_shape[-1]} classes"
        )


def _found(reference: str, signature: str, *args: Any) -> Callable[..., Any]:
    function = own.find(reference, signature)
    own.check_call(function, reference, signature, *args)
    return function


def _check(
    reference: str, signature: str, function: Callable[..., Any], *args: Any, gives: Any
) -> None:
    """Raises OwnError unless `function` runs on described `args` and gives what is described."""
    try:
        found = jax.eval_shape(function, *args)
    except JaxcnnError:
        raise
    except Exception as error:  # the user's function is a program
        raise OwnError(
            f"{reference} does not run inside a compiled step: {type(error).__name__}: "
            f"{one_line(error, 300)}; expected a pure function of JAX arrays, {signature}"
        ) from error
    if not _alike(found, gives):
        raise OwnError(
            f"{reference} gives {_text(found)} where {_text(gives)} is expected: {signature}"
        )


def _alike(found: Any, wanted: jax.ShapeDtypeStruct) -> bool:
    """Whether what was found is one array of that shape and type."""
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", None)
    return (shape, dtype) == (wanted.shape, wanted.dtype)


def _text(found: Any) -> str:
    """An array as "float32 [2, 10]"; anything else by its type."""
    if not hasattr(found, "dtype"):
        return type(found).__name__
    return f"{found.dtype} {list(found.shape)}"
