"""State, training step and evaluation step: pure functions, jitted by the caller.

All randomness of step k comes from fold_in(key(seed), k), so a step can be repeated from its state alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxcnn import metrics, ops
from jaxcnn.layers.naming import frozen as frozen_mask
from jaxcnn.layers.naming import frozen_statistics
from jaxcnn.train.losses import Loss
from jaxcnn.train.state import State

Array = jax.Array
Batch = dict[str, Array]
Prepare = Callable[[Array, Batch], tuple[Array, Array]]


def _micro_batches(tree: Any, parts: int) -> Any:
    """Splits the leading axis [B] -> [parts, B / parts], interleaved so that each device keeps its own rows."""
    return jax.tree.map(
        lambda x: x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1), tree
    )


def _zero_where(mask: Any, tree: Any) -> Any:
    return jax.tree.map(lambda still, x: jnp.zeros_like(x) if still else x, mask, tree)


def make_loss(
    model: nn.Module, loss: Loss, *, aux_weight: float = 0.0, frozen: Sequence[str] = ()
) -> Callable[..., Any]:
    """loss_fn(params, batch_stats, key, images, targets, labels, mask) -> (mean loss, (sums, new batch_stats))."""

    def loss_fn(params, batch_stats, key, images, targets, labels, mask):
        variables = {"params": params, "batch_stats": batch_stats}
        with frozen_statistics(frozen):
            logits, new = model.apply(
                variables,
                images,
                train=True,
                rngs={"dropout": key},
                mutable=["batch_stats", "aux_logits"],
            )
        losses = loss(logits, targets)  # [B]
        sums = metrics.classification_sums(logits, labels, losses, mask)
        for aux in jax.tree.leaves(new.get("aux_logits", {})):
            losses = losses + aux_weight * loss(aux, targets)
        total = jnp.sum(jnp.where(mask > 0, losses, 0.0)) / jnp.maximum(jnp.sum(mask), 1.0)
        return total, (sums, new.get("batch_stats", {}))

    return loss_fn


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
    """train_step(state, batch) -> (state, sums), pure; batch {image uint8 [B,H,W,C], label [B], mask [B]}.

    `prepare(key, batch)` gives normalised images and target distributions. With `accumulate` n the gradients of n micro-batches are
    averaged before one update. `sums` also has `grad_norm`, and `bad`, 1 where the loss or the update is not finite.
    """
    grad_fn = jax.grad(make_loss(model, loss, aux_weight=aux_weight, frozen=frozen), has_aux=True)

    def gradients(state: State, key: Array, batch: Batch):
        augment_key, dropout_key = jax.random.split(key)
        images, targets = prepare(augment_key, batch)
        mask = batch["mask"]
        if accumulate == 1:
            return grad_fn(
                state.params, state.batch_stats, dropout_key, images, targets, batch["label"], mask
            )

        def micro(carry, part):
            grads, stats = carry
            index, *arrays = part
            new, (sums, stats) = grad_fn(
                state.params, stats, jax.random.fold_in(dropout_key, index), *arrays
            )
            return (jax.tree.map(jnp.add, grads, new), stats), sums

        parts = _micro_batches((images, targets, batch["label"], mask), accumulate)
        zero = jax.tree.map(jnp.zeros_like, state.params)
        # XLA:CPU runs loop bodies several times slower.
        unroll = accumulate if ops.current_target().platform == "cpu" else 1
        (grads, stats), sums = jax.lax.scan(
            micro, (zero, state.batch_stats), (jnp.arange(accumulate), *parts), unroll=unroll
        )
        return jax.tree.map(lambda g: g / accumulate, grads), (
            jax.tree.map(lambda s: jnp.sum(s, axis=0), sums),
            stats,
        )

    def train_step(state: State, batch: Batch) -> tuple[State, metrics.Sums]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        still = frozen_mask(state.params, frozen)
        grads, (sums, batch_stats) = gradients(state, key, batch)
        grads = _zero_where(still, grads)
        updates, opt_state = tx.update(
            grads, state.opt_state, state.params, rate_scale=state.plateau.scale
        )
        updates = _zero_where(still, updates)  # weight decay moves what has no gradient
        moved = optax.tree.norm(updates)
        params = optax.apply_updates(state.params, updates)
        averaged = state.ema
        if ema:
            new = {"params": params, "batch_stats": batch_stats}
            # TensorFlow's ramp: early on the initial weights must not last
            steps = state.step.astype(jnp.float32)
            decay = jnp.minimum(ema, (1.0 + steps) / (10.0 + steps))
            averaged = jax.tree.map(
                lambda old, value: decay * old + (1 - decay) * value, state.ema, new
            )
        if "corrupt" in batch:
            sums["corrupt"] = jnp.sum(batch["corrupt"])
        sums |= {
            "grad_norm": optax.tree.norm(grads),
            "bad": 1.0 - (jnp.isfinite(sums["loss"]) & jnp.isfinite(moved)).astype(jnp.float32),
        }
        return state.replace(
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            ema=averaged,
        ), sums

    return train_step


def make_eval_step(
    model: nn.Module, loss: Loss, *, prepare: Prepare
) -> Callable[[dict[str, Any], Batch], dict[str, Array]]:
    """eval_step(variables, batch) -> sums of `classification_sums` and `confusion` [K, K], over the examples with mask 1."""

    def eval_step(variables: dict[str, Any], batch: Batch) -> dict[str, Array]:
        images, targets = prepare(jax.random.key(0), batch)
        logits: Any = model.apply(variables, images, train=False)
        labels, mask = batch["label"], batch["mask"]
        sums = metrics.classification_sums(logits, labels, loss(logits, targets), mask)
        if "corrupt" in batch:
            sums["corrupt"] = jnp.sum(batch["corrupt"])
        return sums | {"confusion": metrics.confusion_counts(logits, labels, mask)}

    return eval_step
