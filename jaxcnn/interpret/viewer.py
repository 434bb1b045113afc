"""A trained network and image files: from files to its input, and from its maps back to the files'
pixels."""

import dataclasses
import difflib
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.checkpoint.variables import load_variables, model_of
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, to_pixels
from jaxcnn.errors import CheckpointError, ConfigError, DataError
from jaxcnn.weights.labels import readable

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Seen:
    """Image files as a network sees them."""

    paths: list[str]
    originals: list[np.ndarray]  # uint8 [H, W, 1 or 3], as the file has it
    views: np.ndarray  # uint8 [B, S, S, C]
    inputs: Array  # normalised float32 [B, S, S, C]


class Viewer:
    """The network of a run or of imported weights, with its preprocessing and class names."""

    def __init__(self, workdir: str | pathlib.Path, *, best: bool = False):
        self.variables, self.metadata = load_variables(workdir, best)
        self.model: nn.Module = model_of(self.metadata)
        if "preprocessing" not in self.metadata:
            raise CheckpointError(f"{workdir} does not say how images are prepared for the network")
        self.preprocess = Preprocess.from_dict(self.metadata["preprocessing"])
        lists = [self.metadata.get(name) for name in ("class_names", "synsets")]
        numbers = [str(k) for k in range(self.model.num_classes)]  # type: ignore[attr-defined]
        self.class_ids: list[str] = next((names for names in lists if names), numbers)
        self.class_names = readable(self.class_ids)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one input, [S, S, C]."""
        return self.preprocess.shape

    def see(self, paths: Sequence[str | pathlib.Path]) -> Seen:
        """Reads image files; raises DataError for one that is missing or damaged."""
        if not paths:
            raise DataError("no image was given; give the paths of JPEG, PNG or WebP files")
        originals, views = [], []
        for path in map(pathlib.Path, paths):
            try:
                encoded = path.read_bytes()
            except OSError as error:
                raise DataError(
                    f"{path} cannot be read: {error.strerror}; give the path of an image file"
                ) from None
            originals.append(to_pixels(encoded, 3, str(path)))
            views.append(eval_view(encoded, self.preprocess, str(path)))
        stacked = np.stack(views)
        return Seen([str(p) for p in paths], originals, stacked, self.normalise(stacked))

    def normalise(self, views: np.ndarray) -> Array:
        """Views uint8 [B, S, S, C] as the network's input."""
        return jnp.asarray(self.preprocess.normalise(views.astype(np.float32)))

    def logits(self, inputs: Array) -> np.ndarray:
        """Logits [B, K]."""
        return np.asarray(_logits(self.model, self.variables, inputs))

    def probabilities(self, inputs: Array) -> np.ndarray:
        """Probabilities [B, K]."""
        return np.asarray(jax.nn.softmax(self.logits(inputs)))

    def class_number(self, name: str) -> int:
        """The class that `name` means: its number, its name, or a part of just one name; raises
        ConfigError."""
        if name.isdecimal() and int(name) < len(self.class_names):
            return int(name)
        wanted = name.lower()
        for names in (self.class_ids, self.class_names):
            exact = [k for k, known in enumerate(names) if wanted in synonyms(known)]
            if len(exact) == 1:
                return exact[0]
        parts = [k for k, known in enumerate(self.class_names) if wanted in known.lower()]
        if len(parts) == 1:
            return parts[0]
        near = difflib.get_close_matches(wanted, [n.lower() for n in self.class_names], n=5)
        several = [self.class_names[k] for k in parts[:5]] or near or self.class_names[:5]
        found = "means several classes" if parts else "is no class of this network"
        raise ConfigError(f"--class {name!r} {found}; give one of its names, such as {several}")

    def on_original(self, seen: Seen, row: int, heat: np.ndarray) -> np.ndarray:
        """A map [h, w] of image `row` in that file's pixels: float32 [H, W], NaN where the network
        sees nothing."""
        return place(heat, seen.originals[row].shape[:2], self.preprocess)


def view_box(size: tuple[int, int], preprocess: Preprocess) -> tuple[float, float, float, float]:
    """(top, left, height, width) of what evaluation cuts out of an image [H, W], in its pixels.

    The background that `preprocess.pad` adds around the cut is not part of it.
    """
    short, inner = preprocess.resized, preprocess.inner
    height, width = size
    if preprocess.frame == "warp":
        scaled = short, short
    elif height < width:
        scaled = short, max(short, int(short * width / height))
    else:
        scaled = max(short, int(short * height / width)), short
    frame = (short, short) if preprocess.frame == "square" else scaled
    # A square frame lies in the middle of the scaled image, the cut in the middle of the frame.
    top, left = (
        round((s - f) / 2) + round((f - inner) / 2) for s, f in zip(scaled, frame, strict=True)
    )
    down, across = height / scaled[0], width / scaled[1]
    return top * down, left * across, inner * down, inner * across


def synonyms(name: str) -> set[str]:
    """The whole class name and each of its synonyms, in lower case."""
    return {name.lower(), *(part.strip().lower() for part in name.split(","))}


def place(heat: np.ndarray, size: tuple[int, int], preprocess: Preprocess) -> np.ndarray:
    """A map over the network's input, [h, w], in the pixels of the image [H, W] that the input was
    cut from.

    Bilinear, with half-pixel centres; NaN where the input does not reach.
    """
    side, pad = preprocess.image_size, preprocess.pad
    whole = cv2.resize(np.asarray(heat, np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
    inner = np.ascontiguousarray(whole[pad : side - pad, pad : side - pad])
    top, left, height, width = view_box(size, preprocess)
    rows = (np.arange(size[0]) + 0.5 - top) / height * inner.shape[0] - 0.5
    columns = (np.arange(size[1]) + 0.5 - left) / width * inner.shape[1] - 0.5
    grid = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    placed = cv2.remap(inner, *grid, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outside_rows = (rows < -0.5) | (rows > inner.shape[0] - 0.5)
    outside_columns = (columns < -0.5) | (columns > inner.shape[1] - 0.5)
    placed[outside_rows[:, None] | outside_columns[None, :]] = np.nan
    return placed


@functools.partial(jax.jit, static_argnums=0)
def _logits(model: nn.Module, variables: Any, inputs: Array) -> Array:
    return model.apply(variables, inputs, train=False)  # type: ignore[return-value]
