"""Losses of logits [B, K] against target distributions [B, K], one value an example."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxcnn import own
from jaxcnn.train.own_functions import own_loss

Array = jax.Array

Loss = Callable[[Array, Array], Array]
LENET_J = 1.0  # the constant j > 0 of LeNet-5's loss, whose value the paper leaves open


def cross_entropy(logits: Array, targets: Array) -> Array:
    """Cross-entropy of logits [..., K] against target distributions [..., K] -> [...]."""
    return optax.softmax_cross_entropy(logits, targets)


def lenet_map(logits: Array, targets: Array) -> Array:
    """LeNet-5's MAP criterion (LeCun et al. 1998, eq. 9) -> [B].

    The logits [B, K] are minus the RBF outputs y. The loss is
    y_D + log(e^-j + sum_i e^-y_i): the right class's distance falls while all the others' are
    pushed up, against a constant "rubbish" class j that bounds the push.
    """
    rubbish = jnp.full((logits.shape[0], 1), -LENET_J, logits.dtype)  # [B, 1]
    every = jnp.concatenate([logits, rubbish], axis=1)  # [B, K + 1]
    return jax.nn.logsumexp(every, axis=1) - jnp.sum(targets * logits, axis=1)  # [B]


def find_loss(name: str) -> Loss:
    """The loss that `config.optim.loss` names; raises OwnError for one of your own that is none."""
    return own_loss(name) if own.is_reference(name) else LOSSES[name]


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "lenet_map": lenet_map}
