"""The statistics of BatchNorm, computed anew over a training set once training is over.

Running averages follow the last steps of training. He's released ResNets have averages over
training images instead (KaimingHe/deep-residual-networks, README).
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.config.schema import Data, Sharding
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.pipeline.read import read_in_order
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.errors import DataError, WeightsError
from jaxcnn.evaluate.moments import Layer, Moments, moments_of, moved, with_moments
from jaxcnn.layers import BatchNorm
from jaxcnn.parallel.mesh import make_mesh, over_data, put_replicated
from jaxcnn.run.progress import Progress

Array = jax.Array
Found = dict[Layer, tuple[Array, Array]]  # mean [C] and variance [C] of what layers read
KINDS = (BatchNorm, nn.BatchNorm)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recomputed:
    """Variables with new statistics, of how many images, and how far the statistics moved."""

    variables: dict[str, Any]
    layers: list[str]  # "stage1/block1/bn1", in the order in which they are called
    images: int
    corrupt: int  # images left out
    mean_moved: float  # the most that a mean moved, in old deviations
    var_ratio: float  # the most that a variance changed, the larger over the smaller


def recompute(
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    preprocess: Preprocess,
    source: Source,
    data: Data,
    layer_by_layer: bool = False,
    devices: Sequence[Any] | None = None,
    progress: bool = False,
) -> Recomputed:
    """Gives every BatchNorm the mean and variance of what it reads over all images of `source`.

    Images are evaluation's views, and the network is in evaluation: nothing is dropped out, and
    auxiliary heads keep their statistics. Each image counts once.

    In one pass, every layer normalises by the moments of its own batch: algorithm 2 of the
    BatchNorm paper, and He's way, who takes "a sufficiently large training batch". The larger
    data.batch_size, the less depends on which images share a batch. With `layer_by_layer` each
    layer has a pass of its own, in which all before it normalise by their new statistics. Then
    nothing depends on batches: the maps that evaluation makes of these images have exactly the mean
    and the variance by which it normalises them.

    Raises WeightsError for a network without batch statistics; DataError for a corrupt record
    unless data.on_corrupt="skip", which leaves it out and counts it.
    """
    mesh = make_mesh(Sharding(), list(devices or jax.local_devices()))
    names = layers_with_statistics(model, variables, preprocess)
    measure = _measure(model, preprocess, mesh, by_batch=not layer_by_layer)
    state = {"params": variables["params"], "batch_stats": variables["batch_stats"]}
    images = 0
    for number, wanted in enumerate([[name] for name in names] if layer_by_layer else [names], 1):
        what = f"layer {number} of {len(names)}" if layer_by_layer else "statistics"
        placed = put_replicated(mesh, state)
        found: dict[Layer, Moments] = {name: Moments() for name in wanted}
        for batch, mask in _batches(data, source, preprocess, mesh, what if progress else ""):
            for name, (mean, var) in measure(placed, batch, mask, tuple(wanted)).items():
                found[name].add(int(mask.sum()), mean, var)
        images = found[wanted[0]].count
        if not images:
            raise DataError(
                f"{source.name} {source.split} has no image that decodes; prepare it again"
            )
        state |= {"batch_stats": with_moments(state["batch_stats"], found)}
    mean_moved, var_ratio = moved(variables["batch_stats"], state["batch_stats"], names)
    return Recomputed(
        variables=state,
        layers=["/".join(name) for name in names],
        images=images,
        corrupt=len(source) - images,
        mean_moved=mean_moved,
        var_ratio=var_ratio,
    )


def layers_with_statistics(
    model: nn.Module, variables: Mapping[str, Any], preprocess: Preprocess
) -> list[Layer]:
    """The layers with batch statistics, in the order in which evaluation calls them.

    Raises WeightsError where there is none.
    """
    names: list[Layer] = []

    def note(call: Callable, args: Sequence, kwargs: dict, context: Any) -> Any:
        if isinstance(context.module, KINDS) and context.method_name == "__call__":
            names.append(context.module.path)
        return call(*args, **kwargs)

    image = jax.ShapeDtypeStruct((1, *preprocess.shape), np.float32)
    with nn.intercept_methods(note):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, image)
    if not names:
        raise WeightsError(
            f"{type(model).__name__} has no batch statistics; there is nothing to compute anew"
        )
    return list(dict.fromkeys(names))


def _measure(
    model: nn.Module, preprocess: Preprocess, mesh: jax.sharding.Mesh, *, by_batch: bool
) -> Callable[[Any, np.ndarray, np.ndarray, tuple[Layer, ...]], Found]:
    """A function (variables, images uint8 [B, S, S, C], mask [B], layers) -> what these read.

    `by_batch`: every layer normalises by the moments of this batch, else by its statistics.
    """

    def measure(variables: Any, images: Array, mask: Array, wanted: tuple[Layer, ...]) -> Found:
        found: Found = {}

        def look(call: Callable, args: Sequence, kwargs: dict, context: Any) -> Any:
            module = context.module
            if not isinstance(module, KINDS) or context.method_name != "__call__":
                return call(*args, **kwargs)
            mean, var = moments_of(args[0], mask)
            if module.path in wanted:
                found[module.path] = mean, var
            if not by_batch:
                return call(*args, **kwargs)
            scale, bias = (module.variables.get("params", {}).get(n) for n in ("scale", "bias"))
            y = ops.batch_norm(args[0], mean, var, scale, bias, epsilon=module.epsilon)
            return y.astype(module.dtype or y.dtype)

        with ops.on_mesh(mesh), nn.intercept_methods(look):
            model.apply(variables, preprocess.normalise(images.astype(jnp.float32)), train=False)
        return found

    compiled = jax.jit(measure, static_argnums=3)
    place = over_data(mesh)
    return lambda variables, images, mask, wanted: compiled(
        variables, jax.device_put(images, place), jax.device_put(mask, place), wanted
    )


def _batches(
    data: Data, source: Source, preprocess: Preprocess, mesh: jax.sharding.Mesh, what: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All images of `source` once: (uint8 [B, S, S, C], mask [B]), the last batch filled up.

    With `what` it says on stderr how far that is.
    """
    devices = mesh.shape["data"]
    rows = -(-min(data.batch_size, len(source)) // devices) * devices

    def view(example: Example) -> np.ndarray:
        return eval_view(example.image, preprocess, example.key, upright=source.upright)

    images, mask = np.zeros((rows, *preprocess.shape), np.uint8), np.zeros(rows, np.float32)
    row = 0
    with Progress(what, len(source), show=bool(what)) as shown:
        for read in read_in_order(data, source, range(len(source)), view):
            shown.advance()
            if read.made is None:
                continue
            images[row], mask[row] = read.made, 1
            row += 1
            if row == rows:
                yield images, mask
                images, mask, row = np.zeros_like(images), np.zeros_like(mask), 0
        if row:
            yield images, mask
