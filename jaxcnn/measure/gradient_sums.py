"""What the type of the sum over devices does to a gradient: real images, devices imitated.

Each device's gradient is that of a bfloat16 step on its own images. The sums are made as devices
make them, which round after every addition: in a ring one after another, in a tree pair by pair.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.models import create_model
from jaxcnn.train.losses import LOSSES
from jaxcnn.train.state import init_variables
from jaxcnn.train.step import make_loss

Row = dict[str, Any]

SIDE = 32  # pixels: CIFAR's


class Ring:
    """A sum that is rounded to `dtype` after every addition, in order."""

    def __init__(self, dtype: Any):
        self.dtype, self.total = dtype, None

    def add(self, gradient: np.ndarray) -> None:
        """Adds one device's gradient [P]."""
        mine = gradient.astype(self.dtype)
        self.total = mine if self.total is None else self.total + mine

    def value(self) -> np.ndarray:
        """The sum so far, float64 [P]."""
        assert self.total is not None
        return self.total.astype(np.float64)


class Tree:
    """A sum of pairs, of pairs of pairs and so on, each rounded to `dtype`."""

    def __init__(self, dtype: Any):
        self.dtype = dtype
        self.parts: list[tuple[int, np.ndarray]] = []  # (how many gradients, their sum)

    def add(self, gradient: np.ndarray) -> None:
        """Adds one device's gradient [P]."""
        count, total = 1, gradient.astype(self.dtype)
        while self.parts and self.parts[-1][0] == count:
            total = self.parts.pop()[1] + total
            count *= 2
        self.parts.append((count, total))

    def value(self) -> np.ndarray:
        """The sum so far, float64 [P]."""
        return np.sum([total.astype(np.float64) for _, total in self.parts], axis=0)


def gradient_function(name: str, side: int, precision: str) -> Callable[[Any, Any], Any]:
    """gradient(images [B, S, S, 3] in 0 .. 255, labels [B]) -> float32 [P] of a fresh network."""
    model = create_model(name, dtype=jnp.dtype(precision))
    variables = init_variables(jax.random.key(0), model, (side, side, 3))
    loss = make_loss(model, LOSSES["cross_entropy"])
    preprocess = Preprocess(side, mean=(127.5,) * 3, std=(64.0,) * 3)

    def gradient(images: Any, labels: Any) -> Any:
        normal = preprocess.normalise(images)  # [B, S, S, 3]
        targets = jax.nn.one_hot(labels, model.num_classes)
        arrays = (normal, targets, labels, jnp.ones(len(labels)))
        grads, _ = jax.grad(loss, has_aux=True)(
            variables["params"], variables["batch_stats"], jax.random.key(1), *arrays
        )
        return jnp.concatenate([g.astype(jnp.float32).ravel() for g in jax.tree.leaves(grads)])

    return jax.jit(gradient)


def gradient_sums(
    data: Data, *, model: str = "resnet20", rows: int = 8, counts: tuple[int, ...] = (8, 64, 512)
) -> Iterator[Row]:
    """One row for each number of devices, which have `rows` images of the training split each.

    An error is the length of the difference from the exact sum of the same gradients, over the
    length of that. `bf16_step` is how far the exact sum is from that of float32 steps.
    """
    split = f"{data.train_split}[:{rows * counts[-1]}]"
    images, labels = resident_arrays(data, split, Preprocess(SIDE))
    half, full = (gradient_function(model, SIDE, p) for p in ("bfloat16", "float32"))
    sums = {
        "float32_ring": Ring(np.float32),
        "bfloat16_ring": Ring(ml_dtypes.bfloat16),
        "bfloat16_tree": Tree(ml_dtypes.bfloat16),
    }
    exact, wide = np.zeros(1), np.zeros(1)
    for device in range(counts[-1]):
        part = slice(device * rows, (device + 1) * rows)
        mine = np.asarray(half(images[part], labels[part]))
        exact = exact + mine.astype(np.float64)
        wide = wide + np.asarray(full(images[part], labels[part]), np.float64)
        for total in sums.values():
            total.add(mine)
        if device + 1 in counts:
            row: Row = {"model": model, "devices": device + 1, "images": rows}
            for name, total in sums.items():
                row[name] = float(f"{_distance(total.value(), exact):.2g}")
            yield row | {"bf16_step": float(f"{_distance(exact, wide):.2g}")}


def _distance(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
