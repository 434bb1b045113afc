"""What the network takes for alike: a map of the test set, and near-duplicates in training."""

import dataclasses
from typing import NamedTuple

import numpy as np

from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import JaxcnnError
from jaxcnn.interpret.activations import capture, head_map, layer_shapes
from jaxcnn.interpret.retrieval import embed, features, nearest
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.pages.images import data_uri
from jaxcnn.pages.repeat import checkpoint_of
from jaxcnn.pages.subject import Subject

POINTS = 1500  # images of the map
THUMBNAILS = 320
SMALL, LARGE = 32, 64  # sides of thumbnails on the map of 1000 x 1000
FEW = 100  # images up to which thumbnails are large
AT_ONCE = 64  # images of one batch
PAIRS = 12  # near-duplicates shown


class Dot(NamedTuple):
    """An image of the map: its place in [0, 1000], and its picture where it has one."""

    x: float
    y: float
    label: int
    name: str
    wrong: bool
    picture: str


class Pair(NamedTuple):
    """A test image and the training image nearest to it."""

    test: str
    train: str
    test_name: str
    train_name: str
    distance: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Likeness:
    """The map of the test set, and the nearest pairs; `pairs_note` says why there are none."""

    layer: str
    count: int
    dots: list[Dot]
    size: int  # of thumbnails
    pairs: list[Pair]
    pairs_note: str
    typical: float  # the median distance between a test image and its nearest training image
    close: int  # test images nearer than a tenth of that


def likeness(subject: Subject, *, train_images: int) -> Likeness:
    """Features of the split, its map, and near-duplicates in the training set.

    Near-duplicates are looked for where the training set has at most `train_images` images.
    """
    layer = last_hidden(subject.viewer)
    count = len(subject.result.predictions.labels)
    rows = np.linspace(0, count - 1, min(POINTS, count)).astype(int)
    size = LARGE if len(rows) <= FEW else SMALL
    pairs, note, typical, close = _pairs(subject, layer, train_images)
    return Likeness(
        layer=layer,
        count=count,
        dots=_dots(subject, rows, features_of(subject, rows, layer), size),
        size=size,
        pairs=pairs,
        pairs_note=note,
        typical=typical,
        close=close,
    )


def last_hidden(viewer: Viewer) -> str:
    """The layer whose features compare images: the last hidden vector, else the head's map.

    Networks with fully connected layers have such a vector (AlexNet's fc7 in figure 4); the map of
    the others is averaged over its positions.
    """
    shapes = layer_shapes(viewer.model, viewer.variables, (1, *viewer.shape))
    paths, last_map = list(shapes), head_map(shapes)
    between = paths[paths.index(last_map) + 1 : -1]  # the last one is the output
    named = [path for path in between if not path.split("/")[-1].startswith("Dropout")]
    vectors = [path for path in named if np.prod(shapes[path][1:-1]) == 1]
    return vectors[-1] if vectors else last_map


def features_of(subject: Subject, rows: np.ndarray, layer: str) -> np.ndarray:
    """Features [n, D] of rows of the predictions, averaged over positions."""
    viewer, parts = subject.viewer, []
    for start in range(0, len(rows), AT_ONCE):
        views = subject.views(np.resize(rows[start : start + AT_ONCE], AT_ONCE).tolist())
        maps = capture(viewer.model, viewer.variables, viewer.normalise(views), [layer])[layer]
        values = np.asarray(maps, np.float32)  # [AT_ONCE, D] or [AT_ONCE, h, w, D]
        parts.append(values.mean(axis=tuple(range(1, values.ndim - 1))))  # [AT_ONCE, D]
    return np.concatenate(parts)[: len(rows)]


def _dots(subject: Subject, rows: np.ndarray, features: np.ndarray, size: int) -> list[Dot]:
    """The images in the plane by t-SNE, thumbnails for as many as have room."""
    points = embed(features, "tsne" if len(rows) > 30 else "pca")
    low, high = points.min(axis=0), points.max(axis=0)
    places = 35 + 930 * (points - low) / np.maximum(high - low, 1e-9)  # [n, 2]
    predictions = subject.result.predictions
    answers = predictions.log_probabilities[rows].argmax(axis=1)
    shown = _room(places, cells=int(0.83 * 1000 / size))
    pictures = dict(zip(shown, subject.views(rows[shown].tolist()), strict=True))
    names, dots = subject.class_names, []
    for i, label in enumerate(predictions.labels[rows].tolist()):
        wrong = answers[i] != label
        name = names[label] + (f", taken for {names[answers[i]]}" if wrong else "")
        picture = data_uri(pictures[i], side=size - 4) if i in pictures else ""
        x, y = (round(float(place), 1) for place in places[i])
        dots.append(Dot(x, y, label, name, bool(wrong), picture))
    return sorted(dots, key=lambda dot: bool(dot.picture))  # pictures lie above plain dots


def _room(places: np.ndarray, cells: int) -> list[int]:
    """The first image in each of `cells` x `cells` cells, so that few hide another."""
    taken: dict[tuple[int, int], int] = {}
    for i, (x, y) in enumerate(places):
        taken.setdefault((int(x * cells / 1000), int(y * cells / 1000)), i)
    return sorted(taken.values())[:THUMBNAILS]


def _views(subject: Subject, records: np.ndarray) -> list[np.ndarray]:
    source, preprocess = subject.result.predictions.source, subject.viewer.preprocess
    assert source is not None
    examples = source.fetch(records)
    return [eval_view(e.image, preprocess, e.key, upright=source.upright) for e in examples]


def _pairs(subject: Subject, layer: str, train_images: int) -> tuple[list[Pair], str, float, int]:
    """(the nearest pairs, why there are none, median distance, how many are far below it)."""
    data = subject.data
    if not subject.config or data.name != subject.config["data"]["name"]:
        return [], "These weights come without their training images.", 0.0, 0
    split = data.train_split
    try:
        source = open_source(data, split)
    except JaxcnnError as error:
        return [], f"The training images are not here: {error}.", 0.0, 0
    if len(source) > train_images:
        note = (
            f"Not looked for: the training set has {len(source):,} images, and this report was "
            f"asked to compare at most {train_images:,} (--train-images)."
        )
        return [], note, 0.0, 0
    weights = checkpoint_of(subject)
    known = features(weights, data, split, layer=layer)
    table = features(weights, data, subject.result.split, layer=layer)
    found = nearest(known.features, np.asarray(table.features), 1)
    distance = found.distance[:, 0]
    typical = float(np.median(distance))
    order = np.argsort(distance, kind="stable")[:PAIRS]
    preprocess, names = subject.viewer.preprocess, subject.class_names
    tests = _views(subject, table.records[order])
    examples = source.fetch(known.records[found.index[order, 0]])
    pairs = [
        Pair(
            test=data_uri(view, side=96),
            train=data_uri(eval_view(e.image, preprocess, e.key, upright=source.upright), side=96),
            test_name=names[int(table.labels[row])],
            train_name=names[int(e.label)],
            distance=float(distance[row]),
        )
        for row, view, e in zip(order, tests, examples, strict=True)
    ]
    return pairs, "", typical, int((distance < 0.1 * typical).sum())
