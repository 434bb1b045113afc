"""A trained network and image files: from files to its input, and from its maps to their pixels."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict

from jaxcnn.checkpoint.variables import (
    check_classifies,
    count_classes,
    load_variables,
    model_of,
)
from jaxcnn.data.images.inputs import read_file
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, to_pixels
from jaxcnn.errors import CheckpointError, ConfigError, DataError, nearest
from jaxcnn.interpret.views import View, placed_mean, views_of
from jaxcnn.weights.labels import readable

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Seen:
    """Image files as a network sees them."""

    paths: list[str]
    originals: list[np.ndarray]  # uint8 [H, W, 3], as the file has it
    pixels: list[np.ndarray]  # uint8 [H, W, C] in the network's colours
    views: np.ndarray  # uint8 [B, S, S, C]
    inputs: Array  # normalised float32 [B, S, S, C]


class Viewer:
    """The network of a run or of imported weights, with its preprocessing and class names."""

    def __init__(self, workdir: str | pathlib.Path, *, best: bool = False):
        self.variables, self.metadata = load_variables(workdir, best)
        arguments = _hashable(self.metadata.get("model_args", {}))
        self.model: nn.Module = model_of(self.metadata | {"model_args": arguments})
        if "preprocessing" not in self.metadata:
            raise CheckpointError(f"{workdir} does not say how images are prepared for the network")
        self.preprocess = Preprocess.from_dict(self.metadata["preprocessing"])
        lists = [self.metadata.get(name) for name in ("class_names", "synsets")]
        known = [names for names in lists if names]
        if not known:
            count = count_classes(self.model, self.variables, self.preprocess)
            known = [[str(k) for k in range(count)]]
        self.class_ids: list[str] = known[0]
        self.class_names = readable(self.class_ids)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one input, [S, S, C]."""
        return self.preprocess.shape

    def see(self, paths: Sequence[str | pathlib.Path]) -> Seen:
        """Reads image files; raises DataError for one that is missing or damaged."""
        if not paths:
            raise DataError("no image was given; give the paths of JPEG, PNG or WebP files")
        originals, pixels, channels = [], [], self.preprocess.channels
        for path in map(pathlib.Path, paths):
            encoded = read_file(path)
            originals.append(to_pixels(encoded, 3, str(path)))
            pixels.append(to_pixels(encoded, channels, str(path)))
        stacked = np.stack([eval_view(image, self.preprocess) for image in pixels])
        inputs = self.normalise(stacked)
        return Seen([str(path) for path in paths], originals, pixels, stacked, inputs)

    def normalise(self, views: np.ndarray) -> Array:
        """Views uint8 [B, S, S, C] as the network's input."""
        return jnp.asarray(self.preprocess.normalise(views.astype(np.float32)))

    def logits(self, inputs: Array) -> np.ndarray:
        """Logits [B, K]; raises ConfigError for a network that classifies pixels."""
        check_classifies(self.model)
        return np.asarray(_logits(self.model, self.variables, inputs))

    def probabilities(self, inputs: Array) -> np.ndarray:
        """Probabilities [B, K]."""
        return np.asarray(jax.nn.softmax(self.logits(inputs)))

    def class_called(self, name: str) -> int | None:
        """The class whose name, or one of whose names, is `name`; None where there is not one."""
        for names in (self.class_ids, self.class_names):
            exact = [k for k, known in enumerate(names) if name.lower() in synonyms(known)]
            if len(exact) == 1:
                return exact[0]
        return None

    def class_number(self, name: str) -> int:
        """The class that `name` means: its number, its name, or a part of just one name.

        Raises ConfigError, which lists what may have been meant, where it means none or several.
        """
        exact = self.class_called(name)
        if exact is not None:
            return exact
        if name.isdecimal() and int(name) < len(self.class_names):
            return int(name)
        wanted = name.lower()
        parts = [k for k, known in enumerate(self.class_names) if wanted in known.lower()]
        if len(parts) == 1:
            return parts[0]
        near = nearest(wanted, [n.lower() for n in self.class_names], count=5)
        several = [self.class_names[k] for k in parts[:5]] or near or self.class_names[:10]
        found = "means several classes" if parts else "is no class of this network"
        raise ConfigError(
            f"--class {name!r} {found}; give one of its {len(self.class_names)} classes, such as "
            f"{', '.join(several)}"
        )

    def views(self, seen: Seen, row: int, protocol: str) -> tuple[list[View], Array]:
        """The views of image `row` that `protocol` names, and the network's input [V, S, S, C]."""
        views = views_of(protocol, seen.pixels[row], self.preprocess)
        return views, self.normalise(np.stack([view.pixels for view in views]))

    def on_original(
        self, seen: Seen, row: int, heats: Sequence[np.ndarray], views: Sequence[View]
    ) -> np.ndarray:
        """The mean of maps [h, w] of views of image `row` in that file's pixels: float32 [H, W].

        NaN where the network sees nothing.
        """
        return placed_mean(heats, views, seen.originals[row].shape[:2], self.preprocess)


def _hashable(value: Any) -> Any:
    """What JSON made lists of as tuples again, so that a network can be a key of JAX's caches."""
    if isinstance(value, dict):
        return FrozenDict({name: _hashable(inner) for name, inner in value.items()})
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def synonyms(name: str) -> set[str]:
    """The whole class name and each of its synonyms, in lower case."""
    return {name.lower(), *(part.strip().lower() for part in name.split(","))}


@functools.partial(jax.jit, static_argnums=0)
def _logits(model: nn.Module, variables: Any, inputs: Array) -> Array:
    return model.apply(variables, inputs, train=False)  # type: ignore[return-value]
