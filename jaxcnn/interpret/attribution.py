"""What each pixel contributes to a score: plain, guided, smoothed and integrated gradients.

All take a network, its variables and normalised images [B, H, W, C], and give attributions of the
images' shape. `targets` is a class for each image, or a function of the logits [B, K] -> [B].
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import Targets, either, target_scores

Array = jax.Array
# (gradient from above, where the ReLU's input lies between its bends) -> gradient below
Rule = Callable[[Array, Array], Array]


def guided(gradient: Array, active: Array) -> Array:
    """Guided backpropagation: positive gradients pass where the ReLU's input was positive.

    Springenberg et al. 2015, figure 1.
    """
    return jnp.where(active, jnp.maximum(gradient, 0), 0)


def deconvolved(gradient: Array, active: Array) -> Array:
    """The deconvnet's rule: positive gradients pass, whatever the ReLU's input was.

    Zeiler & Fergus 2014, section 2.1.
    """
    del active
    return jnp.maximum(gradient, 0)


RECTIFIERS = (layers.ReLU, layers.ReLU6)
RULES: dict[str, Rule | None] = {"gradient": None, "guided": guided, "deconv": deconvolved}


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _relu(rule: Rule, top: float, inputs: Array) -> Array:
    """min(max(x, 0), top), with `rule` in place of its gradient."""
    del rule
    return jnp.clip(inputs, 0, top)


def _relu_forward(rule: Rule, top: float, inputs: Array) -> tuple[Array, Array]:
    return _relu(rule, top, inputs), (inputs > 0) & (inputs < top)


def _relu_backward(rule: Rule, top: float, active: Array, gradient: Array) -> tuple[Array]:
    del top
    return (rule(gradient, active),)


_relu.defvjp(_relu_forward, _relu_backward)


def with_rule(rule: Rule | None, found: list[str] | None = None) -> Callable[..., Any]:
    """An interceptor for `nn.intercept_methods`: every ReLU passes gradients by `rule`.

    The paths of the ReLUs (`layers.ReLU`, `layers.ReLU6`) that it meets are appended to `found`.
    """

    def run(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if isinstance(module, RECTIFIERS) and context.method_name == "__call__":
            if found is not None:
                found.append("/".join(module.path))
            if rule is not None:
                return _relu(rule, 6.0 if isinstance(module, layers.ReLU6) else jnp.inf, *args)
        return method(*args, **kwargs)

    return run


def saliency(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    rule: str = "gradient",
    times_input: bool = False,
) -> Array:
    """The gradient of each image's target score by its pixels (Simonyan et al. 2014, section 3).

    `rule`, a name in RULES, replaces the gradient of every ReLU; with `times_input` the result is
    multiplied by the image. Raises ConfigError for a rule that does not exist, and for one that the
    network has no ReLU for.
    """
    if rule not in RULES:
        raise ConfigError(f"there is no rule {rule!r} for saliency; there are {', '.join(RULES)}")
    if rule != "gradient":
        check_relus(model, variables, images.shape)
    function, classes = (targets, None) if callable(targets) else (None, jnp.asarray(targets))
    gradient = _gradient(model, RULES[rule], function, variables, images, classes)
    return gradient * images if times_input else gradient


def check_relus(model: nn.Module, variables: Any, shape: Sequence[int]) -> None:
    """Raises ConfigError for a network without a ReLU, where no rule for ReLUs means anything."""
    leaves, tree = jax.tree.flatten(variables)
    kinds = tuple((tuple(leaf.shape), jnp.dtype(leaf.dtype)) for leaf in leaves)
    if not _relus(model, tree, kinds, tuple(shape)):
        raise ConfigError(
            f"{type(model).__name__} has no ReLU here, so guided backpropagation and the deconvnet "
            "mean nothing for it; use gradient, smooth or integrated"
        )


@functools.lru_cache(maxsize=64)
def _relus(model: nn.Module, tree: Any, kinds: tuple, shape: tuple) -> list[str]:
    found: list[str] = []
    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*kind) for kind in kinds])
    with nn.intercept_methods(with_rule(None, found)):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    return found


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _gradient(
    model: nn.Module,
    rule: Rule | None,
    function: Callable | None,
    variables: Any,
    images: Array,
    classes: Array | None,
) -> Array:
    def score(images: Array) -> Array:
        with nn.intercept_methods(with_rule(rule)):
            logits: Any = model.apply(variables, images, train=False)
        return jnp.sum(target_scores(logits, either(function, classes)))

    return jax.grad(score)(images)


def smooth_grad(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    key: Array,
    samples: int = 25,
    noise: float = 0.15,
    rule: str = "gradient",
    progress: Callable[[int, int], None] | None = None,
) -> Array:
    """SmoothGrad (Smilkov et al. 2017): the mean of `saliency` over noisy copies of the images.

    `noise` is the deviation of the Gaussian noise as a share of each image's range of values.
    """
    axes = tuple(range(1, images.ndim))
    span = jnp.max(images, axis=axes, keepdims=True) - jnp.min(images, axis=axes, keepdims=True)
    total = jnp.zeros_like(images)
    for number in range(samples):
        drawn = jax.random.normal(jax.random.fold_in(key, number), images.shape, images.dtype)
        total = total + saliency(
            model, variables, images + noise * span * drawn, targets, rule=rule
        )
        if progress:
            progress(number + 1, samples)
    return total / samples


class Integrated(NamedTuple):
    """Integrated gradients, and how far they are from adding up to what they explain."""

    attributions: Array  # of the images' shape
    # [B]: the distance of the sum of attributions from score - baseline's score, as a share of it.
    gap: np.ndarray
    steps: int


def integrated_gradients(
    model: nn.Module,
    variables: Any,
    images: Array,
    targets: Targets,
    *,
    baseline: Array | float = 0.0,
    tolerance: float = 0.01,
    steps: int = 16,
    most: int = 512,
) -> Integrated:
    """Integrated gradients from `baseline` (normalised: 0 is the mean colour) to the images.

    Sundararajan et al. 2017, eq. 1. The integral is a Gauss-Legendre sum of `steps` points. They
    are doubled until every image's gap (the completeness axiom, section 3) is below `tolerance`, or
    `most` is reached; the result tells the gap.
    """
    function, classes = (targets, None) if callable(targets) else (None, jnp.asarray(targets))
    start = jnp.broadcast_to(jnp.asarray(baseline, images.dtype), images.shape)
    ends = (_score(model, function, variables, x, classes) for x in (images, start))
    difference = np.subtract(*map(np.asarray, ends))  # [B]
    while True:
        attributions = _path_sum(model, function, variables, images, start, classes, steps)
        total = np.asarray(jnp.sum(attributions, axis=tuple(range(1, images.ndim))))
        gap = np.abs(total - difference) / np.maximum(np.abs(difference), 1e-12)
        if np.all(gap <= tolerance) or 2 * steps > most:
            return Integrated(attributions, gap, steps)
        steps *= 2


@functools.partial(jax.jit, static_argnums=(0, 1))
def _score(
    model: nn.Module, function: Callable | None, variables: Any, images: Array, classes: Any
) -> Array:
    logits: Any = model.apply(variables, images, train=False)
    return target_scores(logits, either(function, classes))


def _path_sum(
    model: nn.Module,
    function: Callable | None,
    variables: Any,
    images: Array,
    start: Array,
    classes: Array | None,
    steps: int,
) -> Array:
    """The sum over Gauss-Legendre points of the straight path, one batch of images at a time."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    total = jnp.zeros_like(images)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        between = start + jnp.asarray(point, images.dtype) * (images - start)
        gradient = _gradient(model, None, function, variables, between, classes)
        total = total + jnp.asarray(weight, images.dtype) * gradient
    return total * (images - start)
