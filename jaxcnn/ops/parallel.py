"""How the ops divide their work over the axis `model` of a mesh: into towers, or linear layers into slices.

Towers (AlexNet, figure 2): every device holds a share of each layer's channels. What reads only its own share runs on its own device; what
reads all of them gathers them first, and the gradient of the gathering is a reduce-scatter. Slices ("one weird trick", arXiv:1404.5997):
the batch lies over both axes and only the kernels of linear layers are cut.

Each op computes in a `shard_map`, so that what travels is written here and not left to the partitioner, which gathers whole batches for
grouped convolutions. Outside `on_mesh` nothing in this file does anything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

Array = jax.Array


class Division(NamedTuple):
    """The mesh, with axes `data` and `model`, and whether `model` divides every layer's channels or linear layers only."""

    mesh: Mesh
    towers: bool

    @property
    def parts(self) -> int:
        return self.mesh.shape["model"]

    def rows(self, batch: int) -> str | None:
        """The axis over which that many examples lie."""
        return "data" if batch % self.mesh.shape["data"] == 0 else None

    def channels(self, count: int) -> str | None:
        """The axis over which that many channels lie; those that do not divide are whole on every device."""
        return "model" if count % self.parts == 0 else None

    def image_spec(self, shape: tuple[int, ...]) -> PartitionSpec:
        """Where an array [B, ..., C] lies."""
        return PartitionSpec(
            self.rows(shape[0]), *(None,) * (len(shape) - 2), self.channels(shape[-1])
        )


_division: ContextVar[Division | None] = ContextVar("division", default=None)


@contextmanager
def on_mesh(mesh: Mesh, *, towers: bool) -> Iterator[None]:
    """Ops traced inside divide their work over `mesh`: in towers, or in slices of the linear layers. Enter it inside the jitted function."""
    token = _division.set(Division(mesh, towers) if mesh.shape["model"] > 1 else None)
    try:
        yield
    finally:
        _division.reset(token)


def towers() -> Division | None:
    """The division in force if it is one into towers."""
    division = _division.get()
    return division if division and division.towers else None


def slices(batch: int) -> Division | None:
    """The division in force if it is one of linear layers that can cut a batch of that size."""
    division = _division.get()
    fits = division and not division.towers and batch % division.mesh.size == 0
    return division if fits else None


def whole(x: Array) -> Array:
    """x [B, ..., C] with all its channels on every device: for what compares or sums them, as a softmax does."""
    division = towers()
    if division is None:
        return x
    return lax.with_sharding_constraint(
        x, NamedSharding(division.mesh, PartitionSpec(division.rows(x.shape[0])))
    )


def run(
    division: Division,
    function: Callable[..., Array],
    in_specs: Any,
    out_specs: PartitionSpec,
    *inputs: Array,
) -> Array:
    """`function` of each device's shares."""
    # The types that check_vma follows do not reach through the ops' own derivatives; the transpose is right without them.
    return jax.shard_map(
        function, mesh=division.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )(*inputs)


def apply_kernel(
    division: Division,
    function: Callable[[Array, Array], Array],
    x: Array,
    kernel: Array,
    *,
    gather: bool,
) -> Array:
    """`function(x, kernel)` -> [B, ..., F] in towers, x [B, ..., C] by a kernel [..., F]: each device computes its share of F.

    With `gather` it reads all channels of x, else those of its own tower.
    """
    image, features = division.image_spec(x.shape), division.channels(kernel.shape[-1])
    gathered = gather and image[-1]

    def local(x: Array, kernel: Array) -> Array:
        return function(
            lax.all_gather(x, "model", axis=x.ndim - 1, tiled=True) if gathered else x, kernel
        )

    between = (None,) * (
        kernel.ndim - 2
    )  # a convolution's result has the rank of its kernel, and so has a linear layer's
    specs = (image, PartitionSpec(None, *between, features))
    return run(division, local, specs, PartitionSpec(image[0], *between, features), x, kernel)


def with_neighbours(x: Array, before: int, after: int, parts: int) -> Array:
    """Inside `run`: x [..., C] with the last `before` channels of the device before and the first `after` of the next; zeros at the ends."""
    last, first = x[..., x.shape[-1] - before :], x[..., :after]
    last = lax.ppermute(last, "model", [(i, i + 1) for i in range(parts - 1)])
    first = lax.ppermute(first, "model", [(i + 1, i) for i in range(parts - 1)])
    return lax.concatenate([last, x, first], x.ndim - 1)  # [..., before + C + after]
