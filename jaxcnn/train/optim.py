"""Optimizers from `config.optim`, as optax transformations.

The rate reaches the optimizer in two factors: the schedule's, a function of the step, and
`rate_scale`, which the training step hands in from the state and which the plateau rule lowers
after evaluations.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxcnn.config.schema import Optim
from jaxcnn.layers import naming
from jaxcnn.train.schedules import Schedule, make_schedule

Array = jax.Array
Transformation = optax.GradientTransformation


def is_kernel(leaf: Any) -> bool:
    """True for convolution and linear kernels, false for biases and normalisation parameters."""
    return leaf.ndim > 1


def decaying(params: Any, optim: Optim) -> Any:
    """A tree like `params` of bools: which of them weight decay applies to.

    Kernels, with `decay_all` everything, and in no case the layers that `no_decay` names. Raises
    ConfigError for patterns that name no layer.
    """
    naming.check_patterns(params, optim.no_decay, "config.optim.no_decay")
    spared = naming.frozen(params, optim.no_decay)
    return jax.tree.map(
        lambda leaf, spare: not spare and (optim.decay_all or is_kernel(leaf)), params, spared
    )


class _Count(struct.PyTreeNode):
    count: Array


def scale_by_rate(
    schedule: Schedule,
    bias_rate: float = 1.0,
    layer_rates: Mapping[str, float] | None = None,
    *,
    bias_schedule: Schedule | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Multiplies updates by -rate(step) * rate_scale.

    Biases are multiplied by `bias_rate` besides, and layers by their `layer_rates`
    {pattern: factor}. Biases follow `bias_schedule` where there is one. Its init raises ConfigError
    for patterns that name no layer.
    """
    rates = layer_rates or {}

    def init(params) -> Any:
        naming.check_patterns(params, rates, "config.optim.layer_rates")
        return _Count(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None, *, rate_scale=1.0, **extra) -> Any:
        del params, extra
        rate = -schedule(state.count) * rate_scale
        of_biases = -(bias_schedule or schedule)(state.count) * rate_scale * bias_rate

        def scaled(path, u):
            own = of_biases if path[-1].key == "bias" else rate
            return u * (own * naming.multiple(path, rates)).astype(u.dtype)

        return jax.tree_util.tree_map_with_path(scaled, updates), _Count(state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)


def limit_filter_rms(limit: float) -> Transformation:
    """Scales filters [kh, kw, c, :] whose RMS would exceed `limit` back to it; last in a chain.

    ZFNet section 3.1.
    """

    def project(param, update):
        if param.ndim != 4:
            return update
        new = param + update
        rms = jnp.sqrt(jnp.mean(jnp.square(new), axis=(0, 1, 2), keepdims=True))  # [1,1,1,F]
        return new * jnp.minimum(1.0, limit / jnp.maximum(rms, 1e-12)) - param

    return optax.stateless(lambda updates, params: jax.tree.map(project, params, updates))


def held(
    tx: optax.GradientTransformationExtraArgs, patterns: Sequence[str]
) -> optax.GradientTransformationExtraArgs:
    """`tx`, but the layers that `patterns` name get no update, and its state is that of `tx`.

    Weight decay would move parameters that have no gradient.
    """
    if not patterns:
        return tx
    mask: Any = functools.partial(naming.frozen, patterns=patterns)
    zero = optax.masked(optax.set_to_zero(), mask)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        updates, state = tx.update(updates, state, params, **extra)
        updates, _ = zero.update(updates, zero.init(params), params)  # it keeps nothing
        return updates, state

    return optax.GradientTransformationExtraArgs(tx.init, update)


def _sgd(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    del optim
    return [decay, rate]


def _caffe(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    # The rate is inside the velocity: this differs from "momentum" only where the rate changes.
    return [decay, rate, optax.trace(optim.momentum)]


def _momentum(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    return [decay, optax.trace(optim.momentum), rate]


def _nesterov(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    return [decay, optax.trace(optim.momentum, nesterov=True), rate]


def _rmsprop(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    rms = optax.scale_by_rms(optim.rms_decay, optim.epsilon, initial_scale=1.0, eps_in_sqrt=True)
    # TensorFlow: momentum accumulates steps that are scaled by the rate already.
    return [decay, rms, rate, optax.trace(optim.momentum)]


def _adamw(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    return [optax.scale_by_adam(optim.momentum, 0.999, optim.adam_epsilon), decay, rate]


def _lamb(optim: Optim, decay: Transformation, rate: Transformation) -> list[Transformation]:
    adam = optax.scale_by_adam(optim.momentum, 0.999, optim.adam_epsilon)
    return [adam, decay, optax.scale_by_trust_ratio(), rate]


# name of config.optim.name: function of (optim, weight decay, rate) -> transformations in order
OPTIMIZERS: dict[str, Callable[..., list[Transformation]]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "caffe": _caffe,
    "rmsprop": _rmsprop,
    "adamw": _adamw,
    "lamb": _lamb,
}


def _decay(optim: Optim) -> Transformation:
    if not optim.weight_decay:
        return optax.identity()
    return optax.add_decayed_weights(optim.weight_decay, lambda params: decaying(params, optim))


def make_optimizer(
    optim: Optim, steps_per_epoch: float, frozen: Sequence[str] = ()
) -> optax.GradientTransformationExtraArgs:
    """The optimizer of `optim`; its update takes `rate_scale`, a scalar factor of the rate.

    Layers that `frozen` names do not move.
    """
    biases = dataclasses.replace(optim, values=optim.bias_values or optim.values)
    rate = scale_by_rate(
        make_schedule(optim, steps_per_epoch),
        optim.bias_rate,
        optim.layer_rates,
        bias_schedule=make_schedule(biases, steps_per_epoch),
    )
    chain = OPTIMIZERS[optim.name](optim, _decay(optim), rate)
    if optim.clip_norm:
        chain.insert(0, optax.clip_by_global_norm(optim.clip_norm))
    if optim.max_filter_rms:
        chain.append(limit_filter_rms(optim.max_filter_rms))
    return held(optax.with_extra_args_support(optax.chain(*chain)), frozen)
