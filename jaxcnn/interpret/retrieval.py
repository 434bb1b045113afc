"""Features of whole datasets: tables, nearest neighbours, embeddings and classifiers on top."""

import dataclasses
import functools
import pathlib
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.views import to_pixels
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources.base import Source
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError, one_line
from jaxcnn.interpret.activations import capture, check_layer, head_map, layer_shapes
from jaxcnn.interpret.viewer import Viewer

Array = jax.Array
CHUNK = 16_384  # rows of a table that are compared with the queries at a time


@dataclasses.dataclass(frozen=True)
class Table:
    """Features [N, D] of the images of a split, with what each image is and where it lies."""

    features: np.ndarray  # float32 [N, D]
    labels: np.ndarray  # int32 [N]
    keys: np.ndarray  # str [N]: how the dataset calls the image
    records: np.ndarray  # int64 [N]: its place in the split
    class_names: tuple[str, ...]
    layer: str
    dataset: str = ""
    data_dir: str = ""
    split: str = ""

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes the table as an uncompressed .npz, so that `load` need not read it whole."""
        path = pathlib.Path(path)
        if path.suffix != ".npz":
            raise DataError(f"{path} does not end in .npz, which tables of features are saved as")
        partial = path.with_name(f"{path.stem}.partial.npz")
        arrays = {name: np.asarray(value) for name, value in vars(self).items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(partial, **arrays)  # type: ignore[arg-type]
            partial.replace(path)
        except OSError as error:
            raise DataError(f"the table {path} cannot be written: {error.strerror}") from None
        return path

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Table":
        """Reads what `save` wrote; `features` stay on disk and are read as they are used."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "features"]
        try:
            with np.load(path, allow_pickle=False) as stored:
                small = {name: stored[name] for name in names}
            features = _mapped(pathlib.Path(path), "features.npy")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path} is no table of features ({one_line(error)}); "
                "jaxcnn visualize features --save writes one"
            ) from None
        texts: dict[str, Any] = {
            name: str(small[name]) for name in ("layer", "dataset", "data_dir", "split")
        }
        class_names = tuple(map(str, small["class_names"]))
        return cls(**small | texts | {"class_names": class_names, "features": features})

    def image(self, row: int) -> np.ndarray:
        """The image of a row, uint8 [H, W, 3], read from its dataset again."""
        example = self._source[int(self.records[row])]
        return to_pixels(example.image, 3, example.key, upright=self._source.upright)

    @functools.cached_property
    def _source(self) -> Source:
        return open_source(Data(name=self.dataset, data_dir=self.data_dir), self.split)


def _mapped(path: pathlib.Path, member: str) -> np.ndarray:
    """An array of an uncompressed .npz, mapped from its place in the file."""
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(member).compress_type != zipfile.ZIP_STORED:
            return np.load(path, allow_pickle=False)[member.removesuffix(".npy")]
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(stream)
            header = stream.tell()
    # In the file itself, a name and an extra field of lengths of their own precede the array.
    with path.open("rb") as file:
        at = archive.getinfo(member).header_offset
        file.seek(at + 26)
        name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    start = at + 30 + name + extra + header
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def features(
    workdir: str | pathlib.Path,
    data: Data,
    split: str,
    *,
    layer: str = "",
    best: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """A Table of what the network of a run or of imported weights makes of `split` of `data`.

    `layer` (default: the map that the head reads) is averaged over its positions, [B, h, w, C] ->
    [B, C]. Records that do not decode are left out where data.on_corrupt is "skip". Raises
    CheckpointError, ConfigError, DataError.
    """
    viewer = Viewer(workdir, best=best)
    model, variables, preprocess = viewer.model, viewer.variables, viewer.preprocess
    shapes = layer_shapes(model, variables, (1, *preprocess.shape))
    layer = check_layer(shapes, layer or head_map(shapes))
    source = open_source(data, split)
    if source.maps:
        raise DataError(
            f"{data.name} {split} has a label for every pixel and a table has one an image; take "
            "features of another --dataset"
        )
    rows, labels, records = [], [], []
    stream = batches(data, split, seed=0, preprocess=preprocess, train=False, source=source)
    for batch in stream:
        maps = capture(model, variables, viewer.normalise(batch["image"]), [layer])
        values = maps[layer].astype(jnp.float32)
        values = jnp.mean(values, axis=tuple(range(1, values.ndim - 1)))  # [B, D]
        sound = batch["mask"] > 0
        rows.append(np.asarray(values)[sound])
        labels.append(batch["label"][sound])
        records.append(batch["index"][sound])
        if progress:
            progress(sum(map(len, records)), len(source))
    indices = np.concatenate(records)
    pieces = [indices[start : start + 256] for start in range(0, len(indices), 256)]
    return Table(
        features=np.concatenate(rows),
        labels=np.concatenate(labels),
        keys=np.asarray([example.key for piece in pieces for example in source.fetch(piece)]),
        records=indices.astype(np.int64),
        class_names=tuple(source.class_names),
        layer=layer,
        dataset=data.name,
        data_dir=data.data_dir,
        split=split,
    )


class Neighbours(NamedTuple):
    """The nearest rows of a table for each query, the nearest first."""

    index: np.ndarray  # int64 [Q, k]
    distance: np.ndarray  # float32 [Q, k], Euclidean


def nearest(table: np.ndarray, queries: np.ndarray, k: int = 6) -> Neighbours:
    """The `k` rows of `table` [N, D] that are nearest to each of `queries` [Q, D].

    Distances are Euclidean, and the search is exact. The table is read a piece at a time, so it may
    be larger than memory (a memory map).
    """
    if not 1 <= k <= len(table):
        raise DataError(f"{k} neighbours were asked for of a table of {len(table)} rows")
    queries = np.asarray(queries, np.float32)
    best = np.full((len(queries), 0), np.inf, np.float32), np.zeros((len(queries), 0), np.int64)
    for start, piece in _pieces(table):
        squared, place = _nearest_of(jnp.asarray(queries), jnp.asarray(piece), min(k, len(piece)))
        values = np.concatenate([best[0], np.asarray(squared)], axis=1)
        places = np.concatenate([best[1], start + np.asarray(place, np.int64)], axis=1)
        order = np.argsort(values, axis=1, kind="stable")[:, :k]
        best = tuple(np.take_along_axis(x, order, axis=1) for x in (values, places))
    return Neighbours(best[1], np.sqrt(np.maximum(best[0], 0)))


def _pieces(table: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(table), CHUNK):
        yield start, np.asarray(table[start : start + CHUNK], np.float32)


@functools.partial(jax.jit, static_argnums=2)
def _nearest_of(queries: Array, piece: Array, k: int) -> tuple[Array, Array]:
    """(squared distances [Q, k], rows [Q, k]) of the nearest rows of one piece [n, D]."""
    exact = jax.lax.Precision.HIGHEST
    products = jnp.matmul(queries, piece.T, precision=exact)  # [Q, n]
    lengths = jnp.sum(queries**2, axis=1)[:, None] + jnp.sum(piece**2, axis=1)[None, :]
    negative, place = jax.lax.top_k(2 * products - lengths, k)
    return -negative, place


def embed(features: np.ndarray, method: str = "pca", *, seed: int = 0) -> np.ndarray:
    """Features [N, D] in the plane, [N, 2], by scikit-learn's PCA ("pca") or t-SNE ("tsne").

    t-SNE repeats with the same `seed`.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(features)
    if method == "tsne":
        near = min(30.0, (len(features) - 1) / 3)
        return TSNE(2, init="pca", perplexity=near, random_state=seed).fit_transform(features)
    raise DataError(f"there is no embedding {method!r}; there are pca, tsne")


def linear_probe(train: Table, test: Table, *, seed: int = 0) -> float:
    """Accuracy on `test` of a logistic regression on the standardised features of `train`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe: Any = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed)
    )
    probe.fit(train.features, train.labels)
    return float(probe.score(test.features, test.labels))


def knn_accuracy(train: Table, test: Table, k: int = 20) -> float:
    """Accuracy on `test` of the majority among the `k` nearest rows of `train`.

    Ties go to the nearest of them.
    """
    found = nearest(train.features, test.features, min(k, len(train.features)))
    votes = train.labels[found.index]  # [Q, k]
    classes = len(train.class_names)
    counts = np.apply_along_axis(np.bincount, 1, votes, minlength=classes)  # [Q, K]
    tied = counts[np.arange(len(votes))[:, None], votes] == counts.max(axis=1, keepdims=True)
    winner = votes[np.arange(len(votes)), tied.argmax(axis=1)]
    return float(np.mean(winner == test.labels))
