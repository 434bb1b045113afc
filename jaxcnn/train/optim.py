"""Optimizers and schedules from `config.Optim`, as optax transformations.

The rate reaches the optimizer in two factors: the schedule's, a function of the step, and `rate_scale`, which the training step
hands in from the state and which the plateau rule lowers after evaluations.
"""

import fnmatch
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxcnn.config.schema import Optim, rate_multiples
from jaxcnn.layers import naming
from jaxcnn.train.schedules import Schedule, make_schedule

Array = jax.Array


def is_kernel(leaf: Any) -> bool:
    """True for convolution and linear kernels, false for biases and normalisation parameters."""
    return leaf.ndim > 1


def _mask(optim: Optim) -> Callable[[Any], Any]:
    """A function from parameters to a tree of bools: which of them decay.

    Kernels do, with `decay_all` everything, and in no case the layers of `no_decay`; the function
    raises ValueError for patterns of `no_decay` that name no layer.
    """

    def decays(params: Any) -> Any:
        spared = naming.frozen(params, optim.no_decay)
        return jax.tree.map(
            lambda leaf, spare: not spare and (optim.decay_all or is_kernel(leaf)), params, spared
        )

    return decays


def _names(pattern: str, path: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, f"{pattern}/*")


class _Count(struct.PyTreeNode):
    count: Array


def scale_by_rate(
    schedule: Schedule, bias_rate: float = 1.0, multiples: Mapping[str, float] | None = None
) -> optax.GradientTransformationExtraArgs:
    """Multiplies updates by -rate(step) * rate_scale, biases by `bias_rate` and layers by their `multiples` {pattern: factor} besides.

    Its init raises ValueError for patterns that name no layer.
    """

    def multiple(path) -> float:
        name = "/".join(entry.key for entry in path)
        named = [x for pattern, x in (multiples or {}).items() if _names(pattern, name)]
        return math.prod(named) * (bias_rate if path[-1].key == "bias" else 1.0)

    def init(params) -> Any:
        paths = [
            "/".join(entry.key for entry in path)
            for path, _ in jax.tree_util.tree_leaves_with_path(params)
        ]
        unused = [
            pattern
            for pattern in multiples or ()
            if not any(_names(pattern, path) for path in paths)
        ]
        if unused:
            layers = sorted({path.split("/")[0] for path in paths})
            raise ValueError(
                f"optim.layer_rates names no layer by {', '.join(map(repr, unused))}; the layers are {', '.join(layers)}"
            )
        return _Count(jnp.zeros((), jnp.int32))

    def update(updates, state, params=None, *, rate_scale=1.0, **extra) -> Any:
        del params, extra
        rate = -schedule(state.count) * rate_scale

        def scaled(path, u):
            return u * (rate * multiple(path)).astype(u.dtype)

        return jax.tree_util.tree_map_with_path(scaled, updates), _Count(state.count + 1)

    return optax.GradientTransformationExtraArgs(init, update)


def limit_filter_rms(limit: float) -> optax.GradientTransformation:
    """Scales any convolution filter [kh, kw, c, :] whose RMS would exceed `limit` back to it (ZFNet section 3.1). Last in a chain."""

    def project(param, update):
        if param.ndim != 4:
            return update
        new = param + update
        rms = jnp.sqrt(jnp.mean(jnp.square(new), axis=(0, 1, 2), keepdims=True))
        return new * jnp.minimum(1.0, limit / jnp.maximum(rms, 1e-12)) - param

    return optax.stateless(lambda updates, params: jax.tree.map(project, params, updates))


def _core(optim: Optim, rate: optax.GradientTransformation) -> list[optax.GradientTransformation]:
    decay = (
        optax.add_decayed_weights(optim.weight_decay, _mask(optim))
        if optim.weight_decay
        else optax.identity()
    )
    mu = optim.momentum
    if optim.name == "sgd":
        return [decay, rate]
    if (
        optim.name == "caffe"
    ):  # the rate is inside the velocity: it differs from "momentum" only where the rate changes
        return [decay, rate, optax.trace(mu)]
    if optim.name in ("momentum", "nesterov"):
        return [decay, optax.trace(mu, nesterov=optim.name == "nesterov"), rate]
    if optim.name == "rmsprop":
        rms = optax.scale_by_rms(
            optim.rms_decay, optim.epsilon, initial_scale=1.0, eps_in_sqrt=True
        )
        return [
            decay,
            rms,
            rate,
            optax.trace(mu),
        ]  # TensorFlow: momentum accumulates steps already scaled by the rate
    adam = optax.scale_by_adam(mu, 0.999, optim.adam_epsilon)
    if optim.name == "adamw":
        return [adam, decay, rate]
    return [adam, decay, optax.scale_by_trust_ratio(), rate]  # lamb


def make_optimizer(optim: Optim, steps_per_epoch: float) -> optax.GradientTransformationExtraArgs:
    """The optimizer of `optim`; its update takes `rate_scale`, a scalar factor of the learning rate."""
    parts = _core(
        optim,
        scale_by_rate(
            make_schedule(optim, steps_per_epoch), optim.bias_rate, rate_multiples(optim)
        ),
    )
    if optim.clip_norm:
        parts.insert(0, optax.clip_by_global_norm(optim.clip_norm))
    if optim.max_filter_rms:
        parts.append(limit_filter_rms(optim.max_filter_rms))
    return optax.with_extra_args_support(optax.chain(*parts))
