"""From images to predictions: views cut in worker threads, scored on the devices, averaged an image.

Views wait on the host until a batch of one shape is full, so images of any size share batches and one program is compiled for each
shape; protocols.py bounds their number.
"""

import logging
import pathlib
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import ops
from jaxcnn.config import schema
from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources.base import Source
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate.batching import Batches, Totals, read_views
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.protocols import Protocol
from jaxcnn.parallel import mesh as mesh_lib
from jaxcnn.run.progress import Progress

Array = jax.Array
log = logging.getLogger("jaxcnn")


def make_score(
    model: nn.Module, preprocess: Preprocess, protocol: Protocol
) -> Callable[[Any, Array], Array]:
    """score(variables, views uint8 [R, H, W, C]) -> log of the probabilities, summed over a view and its mirror image, [R, K].

    With `protocol.dense` the class map's logits are averaged over space before the softmax (VGG section 3.2).
    """
    network: Any = model.clone(class_map=True) if protocol.dense else model
    mean_image = jnp.asarray(preprocess.offset())  # [S, S, C], or [1, 1, C]
    std = jnp.asarray(preprocess.std, jnp.float32).reshape(1, 1, 1, -1)

    def score(variables: Any, views: Array) -> Array:
        rows, height, width, channels = views.shape
        x = views.astype(jnp.float32)
        if protocol.mirrored:
            x = jnp.stack([x, x[:, :, ::-1]], axis=1).reshape(
                2 * rows, height, width, channels
            )  # each mirror image beside its view
        fits = mean_image.shape[:2] in ((height, width), (1, 1))
        offset = (
            mean_image if fits else jnp.mean(mean_image, axis=(0, 1), keepdims=True)
        )  # a mean image has one size only
        logits = network.apply(variables, (x - offset[None]) / std, train=False)
        if protocol.dense:
            logits = jnp.mean(logits, axis=(1, 2))  # [R, h, w, K] -> [R, K]
        scores = jax.nn.log_softmax(logits)
        return (
            jax.nn.logsumexp(scores.reshape(rows, 2, -1), axis=1) if protocol.mirrored else scores
        )

    return score


def predict(
    model: nn.Module,
    variables: Any,
    preprocess: Preprocess,
    protocol: Protocol,
    source: Source,
    data: Data,
    *,
    batch_size: int = 0,
    progress: bool = False,
) -> Predictions:
    """The mean of the probabilities over the views of every record of `source`, each counted once, on all devices of this process.

    `batch_size` (default: that of `data`) is in images of the network's own size; larger views come in fewer rows. A corrupt record raises
    DataError, or is left out and counted with data.on_corrupt="skip". Raises ConfigError where the views do not fit the network.
    """
    classes = count_classes(model, variables, preprocess, protocol)
    if len(source.class_names) != classes:
        raise DataError(
            f"{source.name} has {len(source.class_names)} classes and the network tells {classes} apart; use the dataset it is for"
        )
    mesh = mesh_lib.make_mesh(
        schema.Sharding(), *([jax.local_devices()] if jax.process_count() > 1 else [])
    )
    placed, split = mesh_lib.put_replicated(mesh, variables), mesh_lib.over_data(mesh)
    one_batch = make_score(model, preprocess, protocol)

    def on_mesh(variables: Any, images: Array) -> Array:
        with ops.on_mesh(mesh):
            return one_batch(variables, images)

    score = jax.jit(on_mesh, out_shardings=split)
    rows = (
        batch_size or data.eval_batch_size or data.batch_size,
        len(source) * len(protocol.scales) * protocol.each,
    )
    batches = Batches(*rows, mesh.shape["data"], preprocess, protocol)
    totals = Totals(
        len(source), classes, lambda images: score(placed, jax.device_put(images, split))
    )
    labels, keys, sound = (
        np.zeros(len(source), np.int32),
        np.empty(len(source), object),
        np.zeros(len(source), bool),
    )
    root = f"{pathlib.Path(data.data_dir)}/" if data.data_dir else ""  # a folder may be moved
    with Progress(protocol.name, len(source), show=progress) as shown:
        for index, example, views in read_views(source, protocol, preprocess, data):
            labels[index], keys[index], sound[index] = (
                example.label,
                example.key.removeprefix(root),
                bool(views),
            )
            for view in views:
                for full in batches.add(index, view):
                    totals.add(*full)
            shown.advance()
        for rest in batches.rest():
            totals.add(*rest)
        totals.wait()
    records = np.flatnonzero(sound)
    if not len(records):
        raise DataError(
            f"{source.name} {source.split} has no image that decodes; prepare the dataset again"
        )
    if len(records) < len(source):
        lost = len(source) - len(records)
        log.warning(
            "%s %s: %d of %d images are corrupt and not counted",
            source.name,
            source.split,
            lost,
            len(source),
        )
    found = (
        totals.table[records] - np.float32(np.log(protocol.views)),
        labels[records],
        keys[records].astype(np.str_),
        records,
    )
    return Predictions(
        *found,
        list(source.class_names),
        data.name,
        source.split,
        len(source) - len(records),
        batches.shapes,
        source,
        preprocess,
    )


def count_classes(
    model: nn.Module, variables: Any, preprocess: Preprocess, protocol: Protocol
) -> int:
    """K, from the shapes alone; raises ConfigError where the smallest view is too small for the network."""
    side = min(protocol.scales) + 2 * preprocess.pad if protocol.dense else preprocess.image_size
    view = jax.ShapeDtypeStruct((1, side, side, preprocess.channels), np.uint8)
    try:
        return jax.eval_shape(make_score(model, preprocess, protocol), variables, view).shape[1]
    except ValueError as error:
        raise ConfigError(
            f"protocol {protocol.name!r} does not fit the network: {' '.join(str(error).split())[:300]}"
        ) from None
