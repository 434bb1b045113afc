"""The maps of a network at each of its strides, without its head."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

Array = jax.Array
# Pixels by which a second image is larger: the most that a network reduces them by, and more.
MORE = 64


class FeatureMaps(nn.Module):
    """The last map at each stride, the finest first: images [B, H, W, C] -> maps [B, h, w, C'].

    `network` has no head. Parameters have the names that they have in the network, so that its
    weights fit. `levels` are pairs of a stride, in pixels, and the layer that makes the map.
    """

    network: nn.Module
    levels: tuple[tuple[int, str], ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides of the maps in pixels, the finest first."""
        return tuple(stride for stride, _ in self.levels)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that make the maps."""
        return tuple(layer for _, layer in self.levels)

    def setup(self) -> None:
        nn.share_scope(self, self.network)

    def __call__(self, images: Array, train: bool = False) -> list[Array]:
        maps: dict[str, Array] = {}

        def keep(
            method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext
        ) -> Any:
            output = method(*args, **kwargs)
            path = context.module.path[len(self.path) :]
            if context.method_name == "__call__" and len(path) == 1:
                maps[path[0]] = output
            return output

        with nn.intercept_methods(keep):
            self.network(images, train=train)  # type: ignore[operator]
        return [maps[layer] for layer in self.layers]


@functools.cache
def levels_of(network: nn.Module) -> tuple[tuple[int, str], ...]:
    """The `levels` of the maps of `network`, which has no head (`num_classes` 0).

    A layer's stride is how many pixels more of the image make one position more of its map. Layers
    inside blocks and modules do not count. Nothing is computed.
    """
    sliding: Any = network
    if hasattr(network, "class_map"):
        sliding = network.clone(class_map=True)  # type: ignore[call-arg]
    side, _, channels = sliding.input_shape
    small, large = (_sides(sliding, (1, s, s, channels)) for s in (side, side + MORE))
    found: dict[int, str] = {}
    for layer, size in small.items():
        if (grown := large[layer] - size) > 0:
            found[MORE // grown] = layer  # the last one of each stride
    return tuple(sorted(found.items()))


def _sides(network: nn.Module, shape: tuple[int, int, int, int]) -> dict[str, int]:
    """{layer: side of its map} of the layers that the network itself calls, in their order."""
    sides: dict[str, int] = {}

    def record(
        method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext
    ) -> Any:
        output = method(*args, **kwargs)
        path = context.module.path
        if context.method_name == "__call__" and len(path) == 1:
            sides[path[0]] = output.shape[1] if getattr(output, "ndim", 0) == 4 else 0
        return output

    with nn.intercept_methods(record):
        jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct(shape, jnp.float32))
    return sides
