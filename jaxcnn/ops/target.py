"""What ops know when they are traced: the platform, the number of devices, the division of work.

The fastest form of an op depends on where it will run, and that need not be where it is traced.
Whoever compiles a function enters one of the contexts below inside the function; ops read
`current_target` and nothing else. What is entered is part of the keys of JAX's caches, so a
function that was traced for one target is traced again for another.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import jax
from jax.sharding import Mesh, PartitionSpec

# The platform of a program that any runtime may read: no form that is fast on one platform only.
ANY = "any"


class Division(NamedTuple):
    """A mesh with axes `data` and `model`, and what the devices of `model` share.

    With `towers` they share the channels of every layer, otherwise the kernels of linear layers
    only.
    """

    mesh: Mesh
    towers: bool

    @property
    def parts(self) -> int:
        return self.mesh.shape["model"]

    def rows(self, batch: int) -> str | None:
        """The axis over which that many examples lie."""
        return "data" if batch % self.mesh.shape["data"] == 0 else None

    def channels(self, count: int) -> str | None:
        """The axis over which that many channels lie; None: every device holds all of them."""
        return "model" if count % self.parts == 0 else None

    def image_spec(self, shape: tuple[int, ...]) -> PartitionSpec:
        """Where an array [B, ..., C] lies."""
        return PartitionSpec(
            self.rows(shape[0]), *(None,) * (len(shape) - 2), self.channels(shape[-1])
        )


class Target(NamedTuple):
    """A platform and its number of devices: "cpu", "gpu", "tpu", another JAX backend, or `ANY`.

    With `wide_sums` layers in bfloat16 take their float32 kernels as they are, and the gradients of
    these stay float32, in which devices then add them.
    """

    platform: str
    devices: int = 1
    division: Division | None = None
    wide_sums: bool = False


_context = jax.make_user_context(None)


def current_target() -> Target:
    """What the ops traced here are for; outside all contexts one device of the default backend."""
    return _context.value or Target(jax.default_backend())


@contextmanager
def target(*, platform: str, devices: int = 1) -> Iterator[None]:
    """Ops traced inside take the forms that are fastest on `devices` devices of `platform`.

    `platform` is named as JAX names it ("cpu", "gpu", "tpu"). Raises ValueError for less than one
    device.
    """
    if devices < 1:
        raise ValueError(f"a target has one or more devices, not {devices}")
    with _context(Target(platform, devices)):
        yield


@contextmanager
def portable() -> Iterator[None]:
    """Ops traced inside take plain forms that any runtime understands.

    They are XLA's own convolution, pooling and means, without derivatives of ours, so `jax.export`
    with a symbolic batch, `jax.jvp`, `jax.hessian` and `jax.vmap` work through them.
    """
    with _context(Target(ANY)):
        yield


@contextmanager
def on_mesh(
    mesh: Mesh, *, towers: bool = False, slices: bool = False, wide_sums: bool = False
) -> Iterator[None]:
    """Ops traced inside are for the devices of `mesh`; enter it inside the jitted function.

    Over its axis `model` they divide every layer's channels with `towers`, the linear layers with
    `slices`. With `wide_sums` several TPUs add the gradients of bfloat16 layers in float32.
    """
    divided = (towers or slices) and mesh.shape["model"] > 1
    division = Division(mesh, towers) if divided else None
    platform = mesh.devices.flat[0].platform
    wide = wide_sums and platform == "tpu" and mesh.size > 1
    with _context(Target(platform, mesh.size, division, wide)):
        yield


@contextmanager
def one_device() -> Iterator[None]:
    """Ops traced inside compute one device's share: the same platform, nothing left to divide."""
    with _context(Target(current_target().platform)):
        yield
