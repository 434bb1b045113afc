"""Linear functions with a transpose of their own, under every transformation of JAX.

Some gradients are faster when they are written out than when JAX derives them. `jax.custom_vjp`
takes such a gradient, but then `jax.jvp`, `jax.linearize` and all that is built on them fail. Here
only the linear part of a derivative is replaced: it is a primitive that knows how it and its
transpose are computed, so that tangents, gradients, second derivatives and `jax.vmap` work.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.core import ShapedArray
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Array = jax.Array
# (static, residuals, linear inputs) -> outputs, all but `static` sequences of arrays.
Linear = Callable[[Any, Sequence[Array], Sequence[Array]], Sequence[Array]]


class Form(NamedTuple):
    """What a call of the primitive computes; hashable, so that equal calls are compiled once."""

    forward: Linear
    transpose: Linear
    static: Any
    residuals: int  # how many of the arrays come first, in which it need not be linear
    inputs: tuple[ShapedArray, ...]
    outputs: tuple[ShapedArray, ...]

    def __call__(self, *arrays: Array) -> list[Array]:
        first, rest = arrays[: self.residuals], arrays[self.residuals :]
        return list(self.forward(self.static, first, rest))

    def transposed(self) -> "Form":
        return self._replace(
            forward=self.transpose,
            transpose=self.forward,
            inputs=self.outputs,
            outputs=self.inputs,
        )


def linear_map(
    forward: Linear,
    transpose: Linear,
    static: Any,
    residuals: Sequence[Array],
    inputs: Sequence[Array],
    *,
    like: Sequence[Array],
) -> list[Array]:
    """Computes `forward(static, residuals, inputs)`, arrays of the shapes and dtypes of `like`.

    It must be linear in `inputs`, and `transpose(static, residuals, outputs)`, arrays like
    `inputs`, must be its transpose. Where `residuals` vary, both are differentiated as they are
    written. `static` is hashable.
    """
    described = (tuple(ShapedArray(x.shape, x.dtype) for x in xs) for xs in (inputs, like))
    form = Form(forward, transpose, static, len(residuals), *described)
    return _linear_map.bind(*residuals, *inputs, form=form)


_linear_map = Primitive("linear_map")
_linear_map.multiple_results = True


@partial(jax.jit, static_argnames="form")
def _compute(*arrays: Array, form: Form) -> list[Array]:
    return form(*arrays)


_linear_map.def_impl(_compute)
_linear_map.def_abstract_eval(lambda *_, form: list(form.outputs))
mlir.register_lowering(
    _linear_map, mlir.lower_fun(lambda *arrays, form: form(*arrays), multiple_results=True)
)


def _tangents(primals, tangents, *, form: Form):
    fixed, moving = primals[: form.residuals], tangents[form.residuals :]
    if all(isinstance(t, ad.Zero) for t in tangents[: form.residuals]):
        moving = [ad.instantiate_zeros(t) for t in moving]
        outputs = _linear_map.bind(*primals, form=form)
        return outputs, _linear_map.bind(*fixed, *moving, form=form)
    return jax.jvp(form, tuple(primals), tuple(ad.instantiate_zeros(t) for t in tangents))


def _transposed(cotangents, *arrays, form: Form):
    given = [ad.instantiate_zeros(ct) for ct in cotangents]
    found = _linear_map.bind(*arrays[: form.residuals], *given, form=form.transposed())
    asked = [ad.is_undefined_primal(x) for x in arrays[form.residuals :]]
    wanted = [ct if ask else None for ct, ask in zip(found, asked, strict=True)]
    return [None] * form.residuals + wanted


def _batched(arrays, axes, *, form: Form):
    outputs = jax.vmap(form, in_axes=axes)(*arrays)
    return outputs, [0] * len(outputs)


ad.primitive_jvps[_linear_map] = _tangents
ad.primitive_transposes[_linear_map] = _transposed
batching.primitive_batchers[_linear_map] = _batched


class Bilinear(NamedTuple):
    """A convolution y = f(x, kernel, static) and both its gradients."""

    forward: Callable[[Array, Array, Any], Array]
    image_gradient: Callable[[Array, Array, Any], Array]  # (dy, kernel, static) -> like x
    kernel_gradient: Callable[[Array, Array, Any], Array]  # (x, dy, static) -> like kernel


def bilinear(rule: Bilinear) -> Callable[[Array, Array, Any], Array]:
    """The function (x, kernel, static) -> y whose gradients are computed as `rule` says."""
    function = jax.custom_jvp(rule.forward, nondiff_argnums=(2,))

    def tangent(static, primals, tangents):
        x, kernel = primals
        dx, dkernel = tangents
        y = function(x, kernel, static)
        how = (rule, static)
        parts = []
        if not isinstance(dkernel, SymbolicZero):
            parts += linear_map(_of_kernels, _to_kernels, how, [x], [dkernel], like=[y])
        if not isinstance(dx, SymbolicZero):
            parts += linear_map(_of_images, _to_images, how, [kernel], [dx], like=[y])
        return y, sum(parts[1:], parts[0])

    function.defjvp(tangent, symbolic_zeros=True)
    return function


def _of_images(how, residuals, inputs):
    (rule, static), (kernel,), (x,) = how, residuals, inputs
    return [rule.forward(x, kernel, static)]


def _to_images(how, residuals, outputs):
    (rule, static), (kernel,), (dy,) = how, residuals, outputs
    return [rule.image_gradient(dy, kernel, static)]


def _of_kernels(how, residuals, inputs):
    (rule, static), (x,), (kernel,) = how, residuals, inputs
    return [rule.forward(x, kernel, static)]


def _to_kernels(how, residuals, outputs):
    (rule, static), (x,), (dy,) = how, residuals, outputs
    return [rule.kernel_gradient(x, dy, static)]
