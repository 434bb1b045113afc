"""Every family names its activations, and `features`, the map that its head reads."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import Literal

from jaxcnn import layers
from jaxcnn.models import create_model, list_models

VARIANTS = sorted(list_models())
FUNCTIONS = ("logistic", "tanh", "erf", "log1p")  # primitives that activations are made of
# Two blocks of each kind are enough of the deep ones.
SHORTER = {"resnet": {"stages": (2, 2)}, "efficientnet": {"depth": 0.5}}


def equations(jaxpr):
    """Every equation of a jaxpr, those of the functions that it calls among them."""
    for eqn in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in eqn.params.values()]
        inner = [value for value in inner if hasattr(value, "eqns")]
        if not inner:
            yield eqn
        for value in inner:
            yield from equations(value)


def is_activation(eqn):
    """Whether an equation is max(x, 0), or a function of `FUNCTIONS`."""
    zero = any(isinstance(v, Literal) and v.val == 0 for v in eqn.invars)
    return eqn.primitive.name in FUNCTIONS or (eqn.primitive.name == "max" and zero)


def count_activations(function, *args):
    """The number of activations in a trace of `function`."""
    return sum(map(is_activation, equations(jax.make_jaxpr(function)(*args).jaxpr)))


@functools.cache
def traced(name):
    """(number of activations, [(path, class) of each module called]) of a trace.

    It is a forward pass of training in which nothing is dropped: dropout's random numbers have a
    maximum with zero of their own.
    """
    fields = create_model(name).__dataclass_fields__
    rates = {f: 0.0 for f in fields if re.search(r"(dropout|depth)_rate$", f)}
    model = create_model(name, **SHORTER.get(list_models()[name], {}), **rates)
    images = jax.ShapeDtypeStruct((2, *model.input_shape), jnp.float32)
    variables = jax.eval_shape(model.init, jax.eval_shape(jax.random.key, 0), images)
    called = []

    def watch(call, args, kwargs, context):
        if context.method_name == "__call__":
            called.append((context.module.path, type(context.module)))
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        step = functools.partial(model.apply, train=True, mutable=True)
        return count_activations(step, variables, images), called


def test_activations_that_are_no_modules_are_counted():
    x = jnp.ones((2, 3))
    assert count_activations(lambda x: nn.relu(x) + nn.swish(jnp.tanh(x)), x) == 3
    assert count_activations(lambda x: jnp.maximum(x, x - 1) + jnp.exp(x), x) == 0


@pytest.mark.parametrize("name", VARIANTS)
def test_every_activation_is_a_module_with_a_name_of_its_own(name):
    count, called = traced(name)
    found = [(path, kind) for path, kind in called if issubclass(kind, layers.Activation)]
    assert len(found) == count > 0
    assert len({path for path, _ in found}) == count  # no module is used twice
    for path, kind in found:
        assert re.fullmatch(rf"{kind.__name__.lower()}(_?\w+)?", path[-1]), path


@pytest.mark.parametrize("name", VARIANTS)
def test_the_head_reads_features(name):
    """Convolutions stand before `features`, linear layers after it.

    NiN's head is the convolution that makes its maps of classes; an FCN has a convolution for each
    map that it scores.
    """
    _, called = traced(name)
    called = [(path, kind) for path, kind in called if not path or not path[0].startswith("aux")]
    at = [i for i, (path, _) in enumerate(called) if path == ("features",)]
    assert len(at) == 1 and called[at[0]][1] is layers.Identity
    before, after = ({kind for _, kind in part} for part in (called[: at[0]], called[at[0] :]))
    assert layers.Conv in before and layers.FullyConnected not in before
    assert layers.FullyConnected in after or list_models()[name] in ("nin", "fcn")
    convolutions = [
        path
        for path, kind in called[at[0] :]
        if kind is layers.Conv and not path[-1].startswith("score_")
    ]
    assert len(convolutions) == (list_models()[name] == "nin")
