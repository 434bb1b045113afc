"""From images to predictions: views cut in worker threads, scored on the devices, averaged an image.

Views wait on the host until a batch of one shape is full, so images of any size share batches and one program is compiled for each
shape; protocols.py bounds their number.
"""

import logging
import pathlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import rich.console
import rich.progress

from jaxcnn import config as config_lib
from jaxcnn import sharding
from jaxcnn.config import ConfigError, Data
from jaxcnn.data import DataError
from jaxcnn.data.load import thread_count
from jaxcnn.data.preprocess import Preprocess
from jaxcnn.data.sources import Example, Source
from jaxcnn.data.views import to_pixels
from jaxcnn.predictions import Predictions
from jaxcnn.protocols import Protocol

Array = jax.Array
log = logging.getLogger("jaxcnn")

CHUNK = 16  # records that one thread reads and cuts at a time
IN_FLIGHT = 2  # batches on the device before the oldest one's result is awaited
LINE_SECONDS = 10.0  # between two lines of progress where there is no terminal


def make_score(model: nn.Module, preprocess: Preprocess, protocol: Protocol) -> Callable[[Any, Array], Array]:
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
            x = jnp.stack([x, x[:, :, ::-1]], axis=1).reshape(2 * rows, height, width, channels)  # each mirror image beside its view
        fits = mean_image.shape[:2] in ((height, width), (1, 1))
        offset = mean_image if fits else jnp.mean(mean_image, axis=(0, 1), keepdims=True)  # a mean image has one size only
        logits = network.apply(variables, (x - offset[None]) / std, train=False)
        if protocol.dense:
            logits = jnp.mean(logits, axis=(1, 2))  # [R, h, w, K] -> [R, K]
        scores = jax.nn.log_softmax(logits)
        return jax.nn.logsumexp(scores.reshape(rows, 2, -1), axis=1) if protocol.mirrored else scores

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
    mesh = sharding.make_mesh(config_lib.Sharding(), *([jax.local_devices()] if jax.process_count() > 1 else []))
    placed, split = sharding.put_replicated(mesh, variables), sharding.over_data(mesh)
    score = jax.jit(make_score(model, preprocess, protocol), out_shardings=split)
    rows = (batch_size or data.eval_batch_size or data.batch_size, len(source) * len(protocol.scales) * protocol.each)
    batches = _Batches(*rows, mesh.shape["data"], preprocess, protocol)
    totals = _Totals(len(source), classes, lambda images: score(placed, jax.device_put(images, split)))
    labels, keys, sound = np.zeros(len(source), np.int32), np.empty(len(source), object), np.zeros(len(source), bool)
    root = f"{pathlib.Path(data.data_dir)}/" if data.data_dir else ""  # a folder may be moved
    with Progress(protocol.name, len(source), show=progress) as shown:
        for index, example, views in read_views(source, protocol, preprocess, data):
            labels[index], keys[index], sound[index] = example.label, example.key.removeprefix(root), bool(views)
            for view in views:
                for full in batches.add(index, view):
                    totals.add(*full)
            shown.advance()
        for rest in batches.rest():
            totals.add(*rest)
        totals.wait()
    records = np.flatnonzero(sound)
    if not len(records):
        raise DataError(f"{source.name} {source.split} has no image that decodes; prepare the dataset again")
    if len(records) < len(source):
        lost = len(source) - len(records)
        log.warning("%s %s: %d of %d images are corrupt and not counted", source.name, source.split, lost, len(source))
    found = totals.table[records] - np.float32(np.log(protocol.views)), labels[records], keys[records].astype(np.str_), records
    return Predictions(
        *found, list(source.class_names), data.name, source.split, len(source) - len(records), batches.shapes, source, preprocess
    )


def count_classes(model: nn.Module, variables: Any, preprocess: Preprocess, protocol: Protocol) -> int:
    """K, from the shapes alone; raises ConfigError where the smallest view is too small for the network."""
    side = min(protocol.scales) + 2 * preprocess.pad if protocol.dense else preprocess.image_size
    view = jax.ShapeDtypeStruct((1, side, side, preprocess.channels), np.uint8)
    try:
        return jax.eval_shape(make_score(model, preprocess, protocol), variables, view).shape[1]
    except ValueError as error:
        raise ConfigError(f"protocol {protocol.name!r} does not fit the network: {' '.join(str(error).split())[:300]}") from None


def read_views(source: Source, protocol: Protocol, preprocess: Preprocess, data: Data) -> Iterator[tuple[int, Example, list[np.ndarray]]]:
    """(index, record, its views) in order, decoded and cut in `data.threads` threads; no views of a corrupt record that is skipped."""

    def load(start: int) -> list[tuple[int, Example, list[np.ndarray]]]:
        rows = range(start, min(len(source), start + CHUNK))
        return [(i, example, cut(example)) for i, example in zip(rows, source.fetch(rows), strict=True)]

    def cut(example: Example) -> list[np.ndarray]:
        try:
            return protocol.host_views(to_pixels(example.image, preprocess.channels, example.key), preprocess)
        except DataError:
            if data.on_corrupt != "skip":
                raise
            return []

    threads = thread_count(data)
    pool, ahead = ThreadPoolExecutor(threads), deque()
    try:
        for start in range(0, len(source), CHUNK):
            ahead.append(pool.submit(load, start))
            if len(ahead) > threads:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Batches:
    """Views gathered by shape until a batch is full; rows shrink as views grow, so a batch takes about the same memory."""

    def __init__(self, size: int, most: int, devices: int, preprocess: Preprocess, protocol: Protocol):
        self._pixels = size * preprocess.image_size**2 // (2 if protocol.mirrored else 1)
        self._most, self._devices = most, devices
        self._open: dict[tuple[int, ...], tuple[list[int], np.ndarray]] = {}
        self._seen: set[tuple[int, ...]] = set()

    @property
    def shapes(self) -> int:
        return len(self._seen)

    def _rows(self, shape: tuple[int, ...]) -> int:
        rows = min(self._most, max(1, self._pixels // (shape[0] * shape[1])))
        return -(-rows // self._devices) * self._devices

    def add(self, index: int, view: np.ndarray) -> Iterator[tuple[list[int], np.ndarray]]:
        """Takes a view of record `index`; yields (records of the rows, views uint8 [R, H, W, C]) if that fills a batch."""
        if view.shape not in self._open:
            self._seen.add(view.shape)
            self._open[view.shape] = [], np.zeros((self._rows(view.shape), *view.shape), np.uint8)
        owners, images = self._open[view.shape]
        images[len(owners)] = view
        owners.append(index)
        if len(owners) == len(images):
            yield self._open.pop(view.shape)

    def rest(self) -> Iterator[tuple[list[int], np.ndarray]]:
        """The batches that did not get full; the rows beyond their records are black and belong to nobody."""
        yield from self._open.values()


class _Totals:
    """Sums of probabilities of every record, as logarithms [N, K]; a few batches are on their way while the host goes on."""

    def __init__(self, records: int, classes: int, score: Callable[[np.ndarray], Array]):
        self.table = np.full((records, classes), -np.inf, np.float32)
        self._score = score
        self._ahead: deque[tuple[list[int], Array]] = deque()

    def add(self, owners: list[int], images: np.ndarray) -> None:
        """Scores views [R, H, W, C], the first of which belong to the records `owners`."""
        self._ahead.append((owners, self._score(images)))
        self.wait(IN_FLIGHT)

    def wait(self, left: int = 0) -> None:
        """Takes results in until at most `left` batches are under way."""
        while len(self._ahead) > left:
            owners, scores = self._ahead.popleft()
            with np.errstate(invalid="ignore"):  # a network that gives no numbers is reported as wrong, not as a warning
                for index, row in zip(owners, np.asarray(scores), strict=False):
                    self.table[index] = np.logaddexp(self.table[index], row)


class Progress:
    """Images done, on stderr: a bar on a terminal, else a line now and then."""

    def __init__(self, what: str, total: int, *, show: bool):
        self._what, self._total, self._done, self._show = what, total, 0, show
        self._bar: rich.progress.Progress | None = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> "Progress":
        console = rich.console.Console(stderr=True)
        if self._show and console.is_terminal:
            columns = ("{task.description}", rich.progress.BarColumn(), "{task.completed}/{task.total} images")
            self._bar = rich.progress.Progress(*columns, rich.progress.TimeRemainingColumn(), console=console)
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        return self

    def advance(self) -> None:
        """One image more."""
        self._done += 1
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._done)
        elif self._show and (now - self._said > LINE_SECONDS or self._done == self._total):
            self._said = now
            log.info("%s: %d/%d images, %.1f img/s", self._what, self._done, self._total, self._done / max(now - self._start, 1e-9))

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
