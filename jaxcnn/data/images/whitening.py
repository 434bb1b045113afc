"""Global contrast normalisation and ZCA whitening of small images (Goodfellow et al. 2013, maxout).

The pipeline is pylearn2's, whose CIFAR-10 maxout and Network in Network were trained on: of each
image the mean over its pixels and channels is subtracted and its norm is set to 55; then all pixels
of the training set are decorrelated. Arrays are NumPy's or JAX's: nothing here depends on which.
"""

import base64
import functools
import io
import zlib
from typing import Any, NamedTuple

import numpy as np

SCALE = 55.0  # the norm of each image after contrast normalisation
FILTER_BIAS = 0.1  # added to the variance of every direction before its root is divided by
LARGEST = 8192  # values an image; the matrix has the square of that

_LEAST_NORM = 1e-8  # images of one colour keep their zeros
_CHUNK = 1024  # images whose products are summed at a time


class Whitening(NamedTuple):
    """What is done to images [B, H, W, C] instead of subtracting a mean and dividing by one."""

    mean: np.ndarray | None = None  # float32 [D], D = H W C; None: contrast normalisation alone
    matrix: np.ndarray | None = None  # float32 [D, D], symmetric

    def apply(self, images: Any) -> Any:
        """float32 [B, H, W, C] of images [B, H, W, C] on the 0-255 scale."""
        rows = contrast_normalised(images.reshape(len(images), -1))  # [B, D]
        if self.mean is not None and self.matrix is not None:
            rows = (rows - self.mean[None]) @ self.matrix  # [B, D]
        return rows.reshape(images.shape)  # [B, H, W, C]


def contrast_normalised(rows: Any) -> Any:
    """Each row of [B, D] without its mean and with the norm SCALE, float32."""
    rows = rows.astype(np.float32)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = (rows**2).sum(axis=1, keepdims=True) ** 0.5  # [B, 1]
    flat = (norms < SCALE * _LEAST_NORM).astype(np.float32)
    return rows * (SCALE / (norms * (1 - flat) + SCALE * flat))


def fit(images: np.ndarray) -> Whitening:
    """The ZCA whitening of uint8 images [N, H, W, C] after contrast normalisation.

    With mean m and covariance V diag(e) V' of the normalised images, rows x become
    (x - m) V diag((e + FILTER_BIAS) ** -0.5) V'.
    """
    rows = images.reshape(len(images), -1)  # [N, D]
    size = rows.shape[1]
    total, products = np.zeros(size), np.zeros((size, size))
    for start in range(0, len(rows), _CHUNK):
        chunk = contrast_normalised(rows[start : start + _CHUNK])
        total += chunk.sum(axis=0, dtype=np.float64)
        products += chunk.T @ chunk
    mean = total / len(rows)
    covariance = products / len(rows) - np.outer(mean, mean)  # [D, D]
    variances, axes = np.linalg.eigh(covariance)
    scales = (np.maximum(variances, 0) + FILTER_BIAS) ** -0.5
    matrix = (axes * scales[None]) @ axes.T  # [D, D]
    return Whitening(mean.astype(np.float32), matrix.astype(np.float32))


def encode(whitening: Whitening) -> str:
    """A whitening as text: base64 of a deflated .npz that holds half of the symmetric matrix.

    Its values have 16 bits. That is 12 MB for images of 32 x 32 x 3.
    """
    arrays = {}
    if whitening.mean is not None and whitening.matrix is not None:
        triangle = np.tril_indices(len(whitening.matrix))
        half = whitening.matrix[triangle].astype(np.float16)  # [D (D + 1) / 2]
        arrays = {"mean": whitening.mean.astype(np.float32), "half": half}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


@functools.lru_cache(maxsize=2)
def decode(text: str) -> Whitening:
    """The inverse of `encode`, up to the rounding of the matrix to 16 bits."""
    with np.load(io.BytesIO(zlib.decompress(base64.b64decode(text)))) as stored:
        if "half" not in stored:
            return Whitening()
        mean, half = stored["mean"], stored["half"]
    matrix = np.zeros((len(mean), len(mean)), np.float32)
    rows, columns = np.tril_indices(len(mean))
    matrix[rows, columns] = half
    matrix[columns, rows] = half
    return Whitening(mean, matrix)
