"""Colour statistics of a small training set, over the pixels that the network sees."""

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import CHUNK, decoded
from jaxcnn.data.sources.base import Source


def moments(
    data: Data, source: Source, preprocess: Preprocess
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, standard deviation) of each channel over all pixels, 0-255, to four decimals."""
    images = decoded(data, source, preprocess).images
    channels = images.shape[-1]
    # How often each grey level occurs: exact, whatever the order of summation.
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), CHUNK):
        for channel in range(channels):
            levels = images[start : start + CHUNK, ..., channel].reshape(-1)
            counts[channel] += np.bincount(levels, minlength=256)
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(axis=1)  # [C]
    variance = counts @ levels**2 / counts.sum(axis=1) - mean**2  # [C]
    deviations = (round(float(v) ** 0.5, 4) for v in variance)
    return tuple(round(float(m), 4) for m in mean), tuple(deviations)


def mean_image(data: Data, source: Source, preprocess: Preprocess) -> np.ndarray:
    """The mean of `source` at every pixel that the network sees, [S, S, C], 0-255."""
    images = decoded(data, source, preprocess).images
    total = np.zeros(preprocess.shape)
    for start in range(0, len(images), CHUNK):
        total += images[start : start + CHUNK].sum(axis=0, dtype=np.int64)
    return total / len(images)
