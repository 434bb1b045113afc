"""The training state: everything that a step changes, and how it is initialised."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxcnn.train.schedules import Plateau, new_plateau

Array = jax.Array


class State(struct.PyTreeNode):
    """Everything that a step changes; `ema` is {} or the averaged {params, batch_stats}."""

    step: Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    plateau: Plateau

    @property
    def variables(self) -> dict[str, Any]:
        """What `model.apply` takes in training."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def eval_variables(self) -> dict[str, Any]:
        """What evaluation uses: the averaged weights where there are any."""
        return self.ema or self.variables


def init_variables(key: Array, model: nn.Module, image_shape: Sequence[int]) -> dict[str, Any]:
    """Fresh {params, batch_stats} of `model` for images of [H, W, C]; auxiliary heads included."""
    images = jnp.zeros((1, *image_shape), jnp.float32)
    variables = model.init({"params": key}, images, train=False)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


def init_state(
    key: Array,
    model: nn.Module,
    tx: optax.GradientTransformation,
    image_shape: Sequence[int],
    ema: bool = False,
) -> State:
    """A fresh State of `model` and optimizer `tx` for images of [H, W, C].

    It has averaged weights if `ema`.
    """
    return state_of(init_variables(key, model, image_shape), tx, ema)


def state_of(
    variables: dict[str, Any], tx: optax.GradientTransformation, ema: bool = False
) -> State:
    """Step 0 from given variables."""
    params, stats = variables["params"], variables["batch_stats"]
    averaged = jax.tree.map(jnp.copy, {"params": params, "batch_stats": stats}) if ema else {}
    return State(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=stats,
        opt_state=tx.init(params),
        ema=averaged,
        plateau=new_plateau(),
    )
