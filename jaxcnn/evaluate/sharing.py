"""One evaluation on several processes: each scores a part of the images, then all have the whole.

With one process the part is everything, and nothing here opens a connection.
"""

import dataclasses

import jax
import numpy as np

from jaxcnn.config.schema import Sharding
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.parallel.mesh import make_mesh, put_batch
from jaxcnn.parallel.processes import whole


def share_of(count: int) -> range:
    """This process's contiguous part of `count` images; those of all processes are the whole."""
    size = -(-count // jax.process_count())
    start = min(count, size * jax.process_index())
    return range(start, min(count, start + size))


def gather(mine: Predictions) -> Predictions:
    """The predictions of all processes, in the order of the records, in every process.

    Every process must call this, each with the predictions of its own `share_of` the records.
    """
    if jax.process_count() == 1:
        return mine
    texts = np.char.encode(mine.keys.astype(np.str_), "utf-8")
    longest = texts.dtype.itemsize if len(texts) else 1
    own = np.array([len(mine.labels), longest, mine.corrupt, mine.shapes], np.int32)
    counts = _from_all(own)  # [P, 4]
    rows, width = counts[:, 0], counts[:, 1].max()
    letters = texts.astype(f"S{width}").view(np.uint8).reshape(len(texts), width)  # [n, L]
    letters = _concatenate(letters, rows)  # [N, L]
    return dataclasses.replace(
        mine,
        log_probabilities=_concatenate(mine.log_probabilities, rows),  # [N, K]
        labels=_concatenate(mine.labels, rows),
        keys=np.char.decode(letters.view(f"S{width}")[:, 0], "utf-8"),
        records=_concatenate(mine.records.astype(np.int32), rows),
        corrupt=int(counts[:, 2].sum()),
        shapes=int(counts[:, 3].max()),
    )


def _concatenate(mine: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The arrays of all processes end to end, [N, ...]; `rows` [P] says how long each one's is."""
    padded = np.zeros((rows.max(), *mine.shape[1:]), mine.dtype)  # of one size in all processes
    padded[: len(mine)] = mine
    parts = _from_all(padded)  # [P, n, ...]
    return np.concatenate([part[:count] for part, count in zip(parts, rows, strict=True)])


def _from_all(mine: np.ndarray) -> np.ndarray:
    """The arrays of all processes, which have one shape, stacked: [P, ...]."""
    firsts = {device.process_index: device for device in reversed(jax.devices())}
    mesh = make_mesh(Sharding(), list(firsts.values()))  # one device of each process
    stacked = put_batch(mesh, {"x": mine[None]}, jax.process_count())  # [P, ...]
    return np.asarray(whole(mesh, stacked)["x"])
