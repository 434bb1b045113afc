"""Walks a traced function equation by equation, through the functions that it calls."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flax.linen as nn
import jax
from jax.extend import core

from jaxcnn.layers import LocalResponseNorm

CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "remat",
    "checkpoint",
)

# Response normalisation is one operator in ONNX and a product with a band matrix in JAX.
respond = core.Primitive("local_response_norm")
respond.def_abstract_eval(lambda x, **_: x)


@contextmanager
def whole_responses() -> Iterator[None]:
    """Networks traced inside keep `LocalResponseNorm` as one equation, `local_response_norm`."""

    def intercept(method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext):
        m = context.module
        if isinstance(m, LocalResponseNorm) and context.method_name == "__call__":
            fields = dict(size=m.size, alpha=m.alpha, beta=m.beta, k=m.k, groups=m.groups)
            return respond.bind(args[0], **fields)
        return method(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


Handle = Callable[[Any, list[Any], str], list[Any]]


def walk(jaxpr: Any, consts: list[Any], inputs: list[Any], handle: Handle, scope: str = "") -> list:
    """The outputs of `jaxpr`, of which `handle(equation, inputs, scope)` computes every equation.

    `scope` is the path of the layer that the equation was traced in.
    """
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        given = [read(atom) for atom in equation.invars]
        inside = _join(scope, str(equation.source_info.name_stack))
        name = equation.primitive.name
        if name in CALLS:
            body = next(v for v in equation.params.values() if _is_jaxpr(v))
            open_ = body.jaxpr if hasattr(body, "jaxpr") else body
            results = walk(open_, getattr(body, "consts", []), given, handle, inside)
        else:
            results = handle(equation, given, inside)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, core.ClosedJaxpr | core.Jaxpr)


def _join(scope: str, inner: str) -> str:
    """Paths without the network's class and without the functions that JAX adds, `jit(...)`."""
    parts = [part for part in inner.split("/") if part and "(" not in part]
    return "/".join([*filter(None, [scope]), *parts])


def trace(function: Callable, *shapes: Any) -> Any:
    """The closed jaxpr of `function`; see `jax.make_jaxpr`."""
    with whole_responses():
        return jax.make_jaxpr(function)(*shapes)
