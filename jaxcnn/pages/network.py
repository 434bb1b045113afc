"""What the demo asks of a trained network: images in, plain values for a page out."""

import collections
import dataclasses
import hashlib
import pathlib
import threading
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcnn.config.values import from_dict
from jaxcnn.data.images.views import eval_view, to_pixels
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import ConfigError, DataError, JaxcnnError
from jaxcnn.interpret.activations import capture
from jaxcnn.interpret.retrieval import Table, nearest
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.pages.images import data_uri
from jaxcnn.pages.maps import class_maps

TOP, NEIGHBOURS, EXAMPLES = 5, 6, 8
KEPT = 32  # images that are remembered, so that each is uploaded once
DRAWN_SIDE = 32  # pixels up to which a grey network's images can be drawn by hand


class Forgotten(DataError):
    """An image that was shown long ago, or never."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """How a drawing becomes an image: its side and the box of the ink in pixels, and its middle.

    The middle is that of the ink's box, or of its mass, as MNIST was made (LeCun et al. 1998).
    """

    side: int
    box: int
    middle: str  # "box" or "mass"


class Network:
    """A trained network that answers for one image at a time, from any thread."""

    def __init__(self, workdir: str | pathlib.Path, *, table: str = "", best: bool = False):
        self.viewer = Viewer(workdir, best=best)
        self.table = Table.load(table) if table else None
        self.names = [name.split(",")[0] for name in self.viewer.class_names]
        self._views: collections.OrderedDict[str, np.ndarray] = collections.OrderedDict()
        self._lock = threading.Lock()
        blank = np.zeros((1, *self.viewer.shape), np.uint8)
        self._check_table(blank)
        self.method = self._method(blank)  # compiles, so that the first visitor need not wait

    def _check_table(self, blank: np.ndarray) -> None:
        """Raises DataError where the table's features are none of this network's."""
        if self.table is None:
            return
        width = self._features(blank).shape[1]
        if width != self.table.features.shape[1]:
            raise DataError(
                f"the table holds {self.table.features.shape[1]} features an image and the "
                f"network's layer {self.table.layer} gives {width}; make the table with this "
                "network (jaxcnn visualize features --save)"
            )

    def _method(self, blank: np.ndarray) -> str:
        """How maps are made, "" for a network that has no positions to show."""
        self.viewer.probabilities(self.viewer.normalise(blank))
        try:
            return class_maps(self.viewer, blank, [0]).method
        except ConfigError:
            return ""

    def about(self) -> dict[str, Any]:
        """What the page has to know before the first image."""
        metadata = self.viewer.metadata
        drawing = drawing_of(metadata, self.viewer.shape)
        data = metadata.get("config", {}).get("data", {})
        return {
            "name": metadata["model"],
            "dataset": data.get("name", ""),
            "step": metadata.get("step"),
            "classes": len(self.names),
            "side": self.viewer.preprocess.image_size,
            "method": self.method,
            "grey": grey_of(self.viewer),
            "drawing": dataclasses.asdict(drawing) if drawing else None,
            "neighbours": self.table is not None,
            "examples": examples_of(self.viewer),
        }

    def classify(self, encoded: bytes) -> dict[str, Any]:
        """The most probable classes of an image file; raises DataError where it is none."""
        view = eval_view(encoded, self.viewer.preprocess, "the image")  # [S, S, C]
        name = hashlib.sha256(view.tobytes()).hexdigest()[:16]
        with self._lock:
            probabilities = self._probabilities(view)
            self._views[name] = view
            self._views.move_to_end(name)
            while len(self._views) > KEPT:
                self._views.popitem(last=False)
        order = np.argsort(-probabilities, kind="stable")[:TOP]
        return {
            "image": name,
            "view": data_uri(view, kind="png"),
            "top": [self._answer(int(k), probabilities) for k in order],
        }

    def map(self, image: str, number: int) -> dict[str, Any]:
        """Where the network sees evidence for a class: a map `[h][w]` in its unit."""
        view = self._view(image)
        self._check_class(number)
        with self._lock:
            maps = class_maps(self.viewer, view[None], [number])
        values = maps.values[0]
        rounded = [[round(float(v), 4) for v in row] for row in values]
        return {"values": rounded, "method": maps.method, "unit": maps.unit}

    def occlude(self, image: str, number: int, square: tuple[int, int, int]) -> dict[str, Any]:
        """What the network says with a square (top, left, side) set to the mean colour."""
        view = self._view(image)
        self._check_class(number)
        top, left, side = square
        size = self.viewer.preprocess.image_size
        if side < 1 or min(top, left) < 0 or max(top, left) + side > size:
            raise DataError(f"the square does not lie inside the image of {size}x{size} pixels")
        with self._lock:
            probabilities = self._probabilities(view, square)
        best = int(np.argmax(probabilities))
        return {
            "probabilities": [round(float(p), 6) for p in probabilities],
            "best": self._answer(best, probabilities),
        }

    def neighbours(self, image: str) -> dict[str, Any]:
        """The images of the table whose features are nearest, with distances."""
        view = self._view(image)
        table = self.table
        if table is None:
            raise DataError("there is no table of features; start the demo with --neighbours")
        with self._lock:
            queries = self._features(view[None])
            found = nearest(table.features, queries, min(NEIGHBOURS, len(table.labels)))
            shown = [
                {
                    "picture": data_uri(table.image(int(row)), side=112),
                    "name": table.class_names[table.labels[row]].split(",")[0],
                    "key": str(table.keys[row]),
                    "distance": round(float(distance), 4),
                }
                for row, distance in zip(found.index[0], found.distance[0], strict=True)
            ]
        return {"layer": table.layer, "split": table.split, "images": shown}

    def _view(self, image: str) -> np.ndarray:
        with self._lock:
            if image not in self._views:
                raise Forgotten("this image is no longer held; choose it again")
            return self._views[image]

    def _check_class(self, number: int) -> None:
        if not 0 <= number < len(self.names):
            raise DataError(f"there is no class {number}; there are 0 to {len(self.names) - 1}")

    def _answer(self, k: int, probabilities: np.ndarray) -> dict[str, Any]:
        return {"class": k, "name": self.names[k], "probability": float(probabilities[k])}

    def _probabilities(
        self, view: np.ndarray, square: tuple[int, int, int] | None = None
    ) -> np.ndarray:
        """Probabilities [K] of a view, its `square` set to the mean colour, which is 0 inside."""
        inputs = self.viewer.normalise(view[None])
        if square:
            top, left, side = square
            inputs = jnp.asarray(inputs).at[:, top : top + side, left : left + side].set(0)
        return self.viewer.probabilities(inputs)[0]

    def _features(self, views: np.ndarray) -> np.ndarray:
        """Features [B, D] in the table's layer."""
        assert self.table is not None
        inputs, layer = self.viewer.normalise(views), self.table.layer
        maps = np.asarray(capture(self.viewer.model, self.viewer.variables, inputs, [layer])[layer])
        return maps.astype(np.float32).mean(axis=tuple(range(1, maps.ndim - 1)))


def grey_of(viewer: Viewer) -> str:
    """The mean colour of the training images, which hides a part, as a colour of CSS."""
    mean = np.resize(np.asarray(viewer.preprocess.offset()).mean(axis=(0, 1)), 3)
    return "rgb({} {} {})".format(*(round(float(value)) for value in mean))


def drawing_of(metadata: dict[str, Any], shape: tuple[int, int, int]) -> Drawing | None:
    """How a drawing becomes an image of this network; None where its images are not drawn."""
    side, _, channels = shape
    if channels != 1 or side > DRAWN_SIDE:
        return None
    if metadata.get("config", {}).get("data", {}).get("name") == "digits":
        return Drawing(side=8, box=8, middle="box")  # scikit-learn's digits fill their 8x8 pixels
    return Drawing(side=28, box=20, middle="mass")


def examples_of(viewer: Viewer) -> list[dict[str, str]]:
    """Some images of the split that the run was evaluated on; [] where that is not here."""
    stored = viewer.metadata.get("config")
    if not stored:
        return []
    data = from_dict(stored).data
    try:
        split = viewer.metadata.get("eval_split") or data.eval_split
        source = open_source(data, split or default_eval_split(open_source(data, "train")))
        rows = np.linspace(0, len(source) - 1, EXAMPLES + 2).astype(int)[1:-1]
        examples = source.fetch(rows)
        pictures = [to_pixels(e.image, viewer.preprocess.channels, e.key) for e in examples]
    except JaxcnnError:
        return []
    names = viewer.class_names
    return [
        {"name": names[example.label].split(",")[0], "picture": data_uri(picture, kind="png")}
        for example, picture in zip(examples, pictures, strict=True)
    ]
