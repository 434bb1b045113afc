"""From images to predictions: views cut on the host, scored on the devices, then averaged.

Views wait on the host until a batch of one shape is full, so images of any size share batches, and
one program is compiled for each shape; protocols.py bounds their number.
"""

import logging
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcnn import ops
from jaxcnn.config.schema import Data, Sharding
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import to_pixels
from jaxcnn.data.pipeline.read import Read, read_in_order
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.errors import ConfigError, DataError, one_line
from jaxcnn.evaluate.batching import Batches, Totals
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.protocols import Protocol
from jaxcnn.evaluate.sharing import gather, share_of
from jaxcnn.parallel.mesh import make_mesh, over_data, put_replicated
from jaxcnn.run.progress import Progress

Array = jax.Array
Score = Callable[[Any, Array], Array]
log = logging.getLogger("jaxcnn")


def make_score(model: nn.Module, preprocess: Preprocess, protocol: Protocol) -> Score:
    """A pure function score(variables, views) for views uint8 [R, H, W, C].

    It gives log-probabilities [R, K], summed (as probabilities) over a view and its mirror image if
    `protocol.mirrored`. With `protocol.dense` the class map's logits are averaged over space before
    the softmax (VGG section 3.2). Raises ConfigError for a network that has no class map.
    """
    if protocol.dense and not hasattr(model, "class_map"):
        raise ConfigError(
            f"protocol {protocol.name!r} needs a class map, and {type(model).__name__} has no "
            "field class_map; use center or ten_crop"
        )
    network: Any = model.clone(class_map=True) if protocol.dense else model

    def score(variables: Any, views: Array) -> Array:
        rows, *shape = views.shape
        x = views.astype(jnp.float32)
        if protocol.mirrored:
            x = jnp.stack([x, x[:, :, ::-1]], axis=1)  # [R, 2, H, W, C]: view, then mirror image
            x = x.reshape(2 * rows, *shape)  # [2R, H, W, C]
        logits = network.apply(variables, preprocess.normalise(x), train=False)
        if protocol.dense:
            logits = jnp.mean(logits, axis=(1, 2))  # [2R, h, w, K] -> [2R, K]
        scores = jax.nn.log_softmax(logits)
        if not protocol.mirrored:
            return scores  # [R, K]
        return jax.nn.logsumexp(scores.reshape(rows, 2, -1), axis=1)  # [R, K]

    return score


def predict(
    model: nn.Module,
    variables: Any,
    *,
    preprocess: Preprocess,
    protocol: Protocol,
    source: Source,
    data: Data,
    batch_size: int = 0,
    devices: Sequence[Any] | None = None,
    progress: bool = False,
) -> Predictions:
    """The mean probabilities over the views of every record of `source`, each counted once.

    Args:
      model, variables: the network and its weights; `preprocess` is what it was trained with.
      protocol: which views of an image it sees.
      data: how records are read: threads, and what happens to a corrupt one (`on_corrupt`).
      batch_size: in images of the network's own size; larger views come in fewer rows. Default:
        that of `data`.
      devices: of this process; default: all of them. Of several processes, each scores a part.
      progress: whether to say on stderr how far it is.

    Raises:
      DataError: for other classes than the network's, and for a corrupt record unless
        data.on_corrupt="skip", which leaves it out and counts it.
      ConfigError: where the views do not fit the network.
    """
    classes = count_classes(model, variables, preprocess, protocol)
    if len(source.class_names) != classes:
        raise DataError(
            f"{source.name} has {len(source.class_names)} classes and the network tells {classes} "
            "apart; use the dataset it is for"
        )
    mesh = make_mesh(Sharding(), list(devices or jax.local_devices()))
    records = share_of(len(source))
    totals = Totals(
        len(records), classes, _compiled(make_score(model, preprocess, protocol), variables, mesh)
    )
    size = batch_size or data.eval_batch_size or data.batch_size
    batches = Batches(
        pixels=size * preprocess.image_size**2 // (2 if protocol.mirrored else 1),
        most=max(1, len(records) * len(protocol.scales) * protocol.each),
        devices=mesh.shape["data"],
    )
    kept: list[Read] = []
    with Progress(protocol.name, len(records), show=progress) as shown:
        for read in read_in_order(
            data, source, records, _cutter(protocol, preprocess, upright=source.upright)
        ):
            if read.made is not None:
                _score(read.made, read.index - records.start, batches, totals)
                kept.append(read._replace(made=None))
            shown.advance()
        for batch in batches.rest():
            totals.add(batch)
        totals.wait()
    places = np.array([read.index for read in kept], np.int32)  # in the split
    table = totals.table[places - records.start]  # [n, K]
    mine = Predictions(
        log_probabilities=table - np.float32(np.log(protocol.views)),
        labels=np.array([read.label for read in kept], np.int32),
        keys=np.array([_without_root(read.key, data) for read in kept], np.str_),
        records=places,
        class_names=list(source.class_names),
        dataset=data.name,
        split=source.split,
        corrupt=len(records) - len(kept),
        shapes=batches.shapes,
        source=source,
        preprocess=preprocess,
    )
    return _checked(gather(mine), source)


def _compiled(score: Score, variables: Any, mesh: Mesh) -> Callable[[np.ndarray], Array]:
    """`score` of views that are divided over `mesh`, where the variables lie on every device."""
    split = over_data(mesh)
    placed = put_replicated(mesh, variables)

    def on_mesh(variables: Any, images: Array) -> Array:
        with ops.on_mesh(mesh):
            return score(variables, images)

    compiled = jax.jit(on_mesh, out_shardings=split)
    return lambda views: compiled(placed, jax.device_put(views, split))


def _cutter(
    protocol: Protocol, preprocess: Preprocess, *, upright: bool
) -> Callable[[Example], list[np.ndarray]]:
    def cut(example: Example) -> list[np.ndarray]:
        channels = preprocess.channels
        pixels = to_pixels(example.image, channels, example.key, upright=upright)  # [H, W, C]
        return protocol.host_views(pixels, preprocess)

    return cut


def _score(views: list[np.ndarray], owner: int, batches: Batches, totals: Totals) -> None:
    for view in views:
        for full in batches.add(owner, view):
            totals.add(full)


def _without_root(key: str, data: Data) -> str:
    """A record's name without the dataset's folder, which may be moved."""
    return key.removeprefix(f"{pathlib.Path(data.data_dir)}/") if data.data_dir else key


def _checked(predictions: Predictions, source: Source) -> Predictions:
    """`predictions`; warns of corrupt records, and raises DataError where no record is left."""
    if not len(predictions.records):
        raise DataError(
            f"{source.name} {source.split} has no image that decodes; prepare the dataset again"
        )
    if predictions.corrupt:
        where, count, all_ = f"{source.name} {source.split}", predictions.corrupt, len(source)
        log.warning("%s: %d of %d images are corrupt and not counted", where, count, all_)
    return predictions


def count_classes(
    model: nn.Module, variables: Any, preprocess: Preprocess, protocol: Protocol
) -> int:
    """K, from the shapes alone; raises ConfigError where the smallest view is too small."""
    side = min(protocol.scales) + 2 * preprocess.pad if protocol.dense else preprocess.image_size
    view = jax.ShapeDtypeStruct((1, side, side, preprocess.channels), np.uint8)
    try:
        return jax.eval_shape(make_score(model, preprocess, protocol), variables, view).shape[1]
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(
            f"protocol {protocol.name!r} does not fit the network: {one_line(error, 300)}"
        ) from None
