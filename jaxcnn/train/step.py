"""Training step and evaluation step: pure functions, jitted by the caller.

All randomness of step k comes from fold_in(key(seed), k), so a step can be repeated from its state
alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn import metrics, ops
from jaxcnn.layers.naming import frozen_statistics, stopped
from jaxcnn.train.losses import Loss
from jaxcnn.train.state import State

Array = jax.Array
Batch = dict[str, Array]
Prepare = Callable[[Array, Batch], tuple[Array, Array]]


def counted(labels: Array, targets: Array, mask: Array) -> tuple[Array, Array]:
    """(labels, mask) of what counts by itself: the examples [B], or every pixel [B, H, W].

    Labels of pixels are read off their `targets` [B, H, W, K], which moved along with the image;
    a pixel without a target is void and counts nothing.
    """
    if labels.ndim == 1:
        return labels, mask
    inside = jnp.sum(targets, axis=-1) > 0  # [B, H, W]
    return jnp.argmax(targets, axis=-1), mask[:, None, None] * inside.astype(mask.dtype)


def make_loss(
    model: nn.Module, loss: Loss, *, aux_weight: float = 0.0, frozen: Sequence[str] = ()
) -> Callable[..., Any]:
    """loss_fn(params, batch_stats, key, images, targets, labels, mask).

    It returns (mean loss, (sums, new batch_stats)). No gradient reaches the layers that `frozen`
    names, and their statistics stay. Auxiliary heads are left out where their weight is 0.
    """
    collected = ["batch_stats", "aux_logits"] if aux_weight else ["batch_stats"]

    def loss_fn(params, batch_stats, key, images, targets, labels, mask):
        variables = {"params": stopped(params, frozen), "batch_stats": batch_stats}
        with frozen_statistics(frozen):
            logits, new = model.apply(
                variables, images, train=True, rngs={"dropout": key}, mutable=collected
            )
        losses = loss(logits, targets)  # [B] or [B, H, W]
        labels, mask = counted(labels, targets, mask)
        sums = metrics.classification_sums(logits, labels, losses, mask)
        for aux in jax.tree.leaves(new.get("aux_logits", {})):
            losses = losses + aux_weight * loss(aux, targets)
        total = jnp.sum(jnp.where(mask > 0, losses, 0.0)) / jnp.maximum(jnp.sum(mask), 1.0)  # []
        return total, (sums, new.get("batch_stats", {}))

    return loss_fn


def _micro_batches(tree: Any, count: int) -> Any:
    """Splits the leading axis, interleaved so that each device keeps its own rows."""
    return jax.tree.map(
        lambda x: x.reshape(x.shape[0] // count, count, *x.shape[1:]).swapaxes(0, 1), tree
    )  # [B, ...] -> [count, B / count, ...]


def _make_gradients(
    grad_fn: Callable[..., Any], prepare: Prepare, accumulate: int
) -> Callable[[State, Array, Batch], Any]:
    """gradients(state, key, batch) -> (gradients, (sums, new batch_stats)).

    With `accumulate` n they are the averages over n micro-batches.
    """

    def gradients(state: State, key: Array, batch: Batch):
        augment_key, dropout_key = jax.random.split(key)
        images, targets = prepare(augment_key, batch)
        arrays = (images, targets, batch["label"], batch["mask"])
        if accumulate == 1:
            return grad_fn(state.params, state.batch_stats, dropout_key, *arrays)

        def micro(carry, slices):
            grads, stats = carry
            index, *arrays = slices
            new, (sums, stats) = grad_fn(
                state.params, stats, jax.random.fold_in(dropout_key, index), *arrays
            )
            return (jax.tree.map(jnp.add, grads, new), stats), sums

        zero = jax.tree.map(jnp.zeros_like, state.params)
        # XLA:CPU runs the bodies of loops several times slower.
        unroll = accumulate if ops.current_target().platform == "cpu" else 1
        (grads, stats), sums = jax.lax.scan(
            micro,
            (zero, state.batch_stats),
            (jnp.arange(accumulate), *_micro_batches(arrays, accumulate)),
            unroll=unroll,
        )
        sums = jax.tree.map(lambda s: jnp.sum(s, axis=0), sums)  # [n, ...] -> [...]
        return jax.tree.map(lambda g: g / accumulate, grads), (sums, stats)

    return gradients


def _averaged(state: State, new: dict[str, Any], decay: float) -> Any:
    """The moving averages of the variables after a step that made them `new`."""
    # TensorFlow's ramp: early on the initial weights must not last.
    steps = state.step.astype(jnp.float32)
    kept = jnp.minimum(decay, (1.0 + steps) / (10.0 + steps))
    return jax.tree.map(lambda old, value: kept * old + (1 - kept) * value, state.ema, new)


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformationExtraArgs,
    loss: Loss,
    *,
    prepare: Prepare,
    seed: int = 0,
    ema: float = 0.0,
    accumulate: int = 1,
    aux_weight: float = 0.0,
    frozen: Sequence[str] = (),
) -> Callable[[State, Batch], tuple[State, metrics.Sums]]:
    """train_step(state, batch) -> (state, sums), pure.

    The batch is {image uint8 [B,H,W,C], label [B] or [B,H,W], mask [B]}; `prepare(key, batch)`
    makes normalised images and target distributions of it. With `accumulate` n the gradients of n
    micro-batches are averaged before one update. Layers that `frozen` names get no gradient; that
    weight decay leaves them too is up to `tx` (`make_optimizer`). `sums` also has `grad_norm`, and
    `bad`, 1 where the loss or the update is not finite.
    """
    grad_fn = jax.grad(make_loss(model, loss, aux_weight=aux_weight, frozen=frozen), has_aux=True)
    gradients = _make_gradients(grad_fn, prepare, accumulate)

    def train_step(state: State, batch: Batch) -> tuple[State, metrics.Sums]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        grads, (sums, batch_stats) = gradients(state, key, batch)
        updates, opt_state = tx.update(
            grads, state.opt_state, state.params, rate_scale=state.plateau.scale
        )
        moved = optax.tree.norm(updates)
        params = optax.apply_updates(state.params, updates)
        new = {"params": params, "batch_stats": batch_stats}
        if "corrupt" in batch:
            sums["corrupt"] = jnp.sum(batch["corrupt"])
        sums |= {
            "grad_norm": optax.tree.norm(grads),
            "bad": 1.0 - (jnp.isfinite(sums["loss"]) & jnp.isfinite(moved)).astype(jnp.float32),
        }
        state = state.replace(
            step=state.step + 1,
            opt_state=opt_state,
            ema=_averaged(state, new, ema) if ema else state.ema,
            **new,
        )
        return state, sums

    return train_step


def make_eval_step(
    model: nn.Module, loss: Loss, *, prepare: Prepare
) -> Callable[[dict[str, Any], Batch], dict[str, Array]]:
    """eval_step(variables, batch) -> sums over the examples with mask 1.

    They are those of `classification_sums`, and `confusion` [K, K]; where every pixel has a label
    they count pixels, and `images` the examples.
    """

    def eval_step(variables: dict[str, Any], batch: Batch) -> dict[str, Array]:
        images, targets = prepare(jax.random.key(0), batch)
        logits: Any = model.apply(variables, images, train=False)
        labels, mask = counted(batch["label"], targets, batch["mask"])
        sums = metrics.classification_sums(logits, labels, loss(logits, targets), mask)
        if mask.ndim > 1:
            sums["images"] = jnp.sum(batch["mask"])
        if "corrupt" in batch:
            sums["corrupt"] = jnp.sum(batch["corrupt"])
        return sums | {"confusion": metrics.confusion_counts(logits, labels, mask)}

    return eval_step
