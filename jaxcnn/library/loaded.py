"""A trained network ready for use: loaded from a run or from imported weights."""

import dataclasses
import functools
import pathlib
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import numpy as np

if TYPE_CHECKING:
    from jaxcnn.data.images.preprocess import Preprocess

MOST = 32  # images in one batch on the device


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A network with its weights, its preprocessing and the names of its classes.

    `variables` are {"params": ..., "batch_stats": ...} as `model.apply` takes them; `metadata` is
    what else the checkpoint says of itself.
    """

    model: nn.Module
    variables: dict[str, Any]
    preprocess: "Preprocess"
    class_names: list[str]
    metadata: dict[str, Any]

    def transform(self, images: Any) -> np.ndarray:
        """The network's input, float32 [N, S, S, C], of paths, Pillow's images or arrays.

        See `jaxcnn.data.transform` for what `images` may be.
        """
        from jaxcnn.data.images.inputs import transform

        return transform(images, self.preprocess)

    def predict(self, images: Any) -> np.ndarray:
        """The probabilities of the classes, float32 [N, K], in the order of `class_names`.

        `images` is a path, an image of Pillow, pixels uint8 [H, W, C], or several of them. Raises
        DataError for what is no image.
        """
        inputs = self.transform(images)  # [N, S, S, C]
        parts = [self._batch(inputs[start : start + MOST]) for start in range(0, len(inputs), MOST)]
        return np.concatenate(parts)  # [N, K]

    def top(self, images: Any, count: int = 5) -> list[list[tuple[str, float]]]:
        """The `count` most probable classes of each image, [(name, probability), ...] of each."""
        return [
            [(self.class_names[k], float(row[k])) for k in np.argsort(-row, kind="stable")[:count]]
            for row in self.predict(images)
        ]

    def _batch(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities [n, K]; a few sizes of batch are compiled, the next power of two each."""
        rows = len(inputs)
        padded = np.zeros((1 << (rows - 1).bit_length(), *inputs.shape[1:]), inputs.dtype)
        padded[:rows] = inputs
        return np.asarray(self._probabilities(self._placed, padded))[:rows]

    @functools.cached_property
    def _placed(self) -> Any:
        """The variables on the device, where they stay."""
        return jax.device_put(self.variables)

    @functools.cached_property
    def _probabilities(self) -> Any:
        def run(variables: Any, images: jax.Array) -> jax.Array:
            logits: Any = self.model.apply(variables, images, train=False)
            return jax.nn.softmax(logits)

        return jax.jit(run)


def load(path: str | pathlib.Path, *, best: bool = False) -> Loaded:
    """The network of a run's newest checkpoint, or of imported weights.

    Args:
      path: the workdir of a run, or a directory that `jaxcnn import` or `jaxcnn.checkpoint.save`
        wrote.
      best: the checkpoint with the best evaluation instead of the newest.

    Raises CheckpointError with one sentence where there is none, or where it lacks something.

    Examples:
      A network with fresh weights, saved, loaded and asked:

      >>> import jax, jaxcnn, numpy as np
      >>> from jaxcnn.checkpoint import save
      >>> from jaxcnn.data import Preprocess
      >>> model = jaxcnn.create_model("lenet", num_classes=10)
      >>> variables = model.init(jax.random.key(0), np.zeros((1, 32, 32, 1), np.float32))
      >>> grey = Preprocess(32, channels=1, mean=(33.0,), std=(79.0,))
      >>> path = save("runs/fresh", "lenet", variables, preprocessing=grey)
      >>> network = jaxcnn.load("runs/fresh")
      >>> network.predict(np.zeros((28, 28), np.uint8)).shape
      (1, 10)
      >>> len(network.top(np.zeros((28, 28), np.uint8))[0])
      5
    """
    from jaxcnn.evaluate.trained import load_trained
    from jaxcnn.weights.labels import readable

    found = load_trained(path, best)
    return Loaded(
        model=found.model,
        variables=found.variables,
        preprocess=found.preprocess,
        class_names=readable(found.class_names),
        metadata=found.metadata,
    )
