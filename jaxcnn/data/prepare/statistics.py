"""Colour statistics of a training set: mean, deviation, mean image, axes for PCA colour noise."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.pipeline.load import load_each, thread_count
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.data.sources.open import open_source

CHUNK = 64


def measure(
    data: Data, image_size: int, limit: int = 0, progress: Callable[[int, int], None] | None = None
) -> dict[str, np.ndarray]:
    """Statistics of the centre crops of `data.train_split`, on the 0-255 scale.

    Of `limit` images spread evenly over the split, 0 meaning all: mean [3], std [3], mean_image
    float32 [S, S, 3], and the principal axes of the pixels' colours as AlexNet section 4.1 defines
    them: axes [3, 3] in columns with their deviations [3], the largest last.
    """
    source = open_source(data, data.train_split)
    preprocess = Preprocess(
        image_size,
        channels=3,
        crop_fraction=data.crop_fraction,
        interpolation="area",
        frame=data.frame,
    )
    count = min(limit or len(source), len(source))
    chosen = np.arange(count) * len(source) // count

    def add(start: int) -> tuple[np.ndarray, np.ndarray, int]:
        images = _views(data, source, chosen[start : start + CHUNK], preprocess)
        return images.sum(axis=0, dtype=np.float64), _products(images), len(images)

    total, products, done = np.zeros(preprocess.shape), np.zeros((3, 3)), 0
    with ThreadPoolExecutor(thread_count(data)) as pool:
        for image_sum, product, n in pool.map(add, range(0, count, CHUNK)):
            total, products, done = total + image_sum, products + product, done + n
            if progress:
                progress(done, count)
    pixels = count * image_size**2
    mean = total.sum(axis=(0, 1)) / pixels  # [3]
    covariance = products / pixels - np.outer(mean, mean)  # [3, 3]
    variances, axes = np.linalg.eigh(covariance)
    return {
        "mean": mean,
        "std": np.sqrt(np.diag(covariance)),
        "mean_image": (total / count).astype(np.float32),
        "deviations": np.sqrt(np.maximum(variances, 0)),
        "axes": axes,
    }


def _views(data: Data, source: Source, indices: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """Evaluation's views of some records, uint8 [N, S, S, 3]."""
    images = np.empty((len(indices), *preprocess.shape), np.uint8)

    def place(example: Example, row: int) -> None:
        images[row] = eval_view(example.image, preprocess, example.key, upright=source.upright)

    for _ in load_each(data, source, indices, place):
        pass
    return images


def _products(images: np.ndarray) -> np.ndarray:
    """The sum over all pixels of colour times transposed colour, [3, 3]."""
    pixels = images.reshape(-1, 3).astype(np.float64)  # [N S S, 3]
    blocks = np.array_split(pixels, len(images))
    return np.stack([block.T @ block for block in blocks]).sum(axis=0)


def save(statistics: dict[str, np.ndarray], place: Path) -> tuple[Path, Path]:
    """Writes mean_image.npy (for data.pixel_mean) and pca.npz (for data.pca); returns the paths."""
    place.mkdir(parents=True, exist_ok=True)
    paths = place / "mean_image.npy", place / "pca.npz"
    np.save(paths[0], statistics["mean_image"])
    np.savez(
        paths[1],
        deviations=statistics["deviations"],
        axes=statistics["axes"],
        mean=statistics["mean"],
        std=statistics["std"],
    )
    return paths
