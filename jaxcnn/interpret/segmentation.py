"""What a segmentation network sees: the class of every pixel of a picture, drawn over it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from jaxcnn.data.images.inputs import read_file
from jaxcnn.data.images.maps import decode_map
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import resize, to_pixels, with_short_side
from jaxcnn.draw.segments import overlay, panels
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.viewer import Viewer

Tell = Callable[[int, int], None]  # (images done, images in all)


class Network(NamedTuple):
    """A trained network and how its images are prepared."""

    model: nn.Module
    variables: dict[str, Any]
    preprocess: Preprocess


def network_of(viewer: Viewer) -> Network:
    """The network of a workdir that a viewer has opened."""
    return Network(viewer.model, viewer.variables, viewer.preprocess)


@functools.partial(jax.jit, static_argnums=0)
def _classes(model: nn.Module, variables: Any, images: jax.Array) -> jax.Array:
    scores: Any = model.apply(variables, images, train=False)  # [B, H, W, K]
    return scores.argmax(axis=-1)  # [B, H, W]


def segment(network: Network, pixels: np.ndarray) -> np.ndarray:
    """The class of every pixel of a picture uint8 [H, W, C]: uint8 [H, W].

    The network sees the whole picture at once, in the scale in which training would have shown it,
    and its classes come back in the picture's own pixels. Raises ConfigError for a network that
    gives one answer an image.
    """
    model, variables, preprocess = network
    seen = _at_trained_size(pixels, preprocess)
    inputs = preprocess.normalise(seen[None].astype(np.float32))  # [1, h, w, C]
    scored: Any = jax.eval_shape(lambda x: model.apply(variables, x, train=False), inputs)
    if scored.ndim != 4:
        raise ConfigError(
            f"{type(model).__name__} classifies images and gives no class a pixel; segment takes a "
            "checkpoint of configs/fcn.py"
        )
    classes = np.asarray(_classes(model, variables, inputs)[0], np.uint8)  # [h, w]
    size = pixels.shape[0], pixels.shape[1]
    return resize(classes[..., None], size, "nearest_exact")[..., 0]  # [H, W]


def _at_trained_size(pixels: np.ndarray, preprocess: Preprocess) -> np.ndarray:
    """The whole picture in the scale of `preprocess`, its shape kept: uint8 [h, w, C]."""
    if preprocess.frame != "whole":
        return with_short_side(pixels, preprocess.resized, preprocess.interpolation)
    scale = preprocess.inner / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return resize(pixels, (height, width), preprocess.interpolation, smooth=True)


def segment_images(
    network: Network,
    class_names: Sequence[str],
    images: Sequence[str | Path],
    out: str | Path,
    tell: Tell | None = None,
) -> list[Path]:
    """Writes OUT/NAME_segments.png for each image file, and the classes beside it as .npz.

    Returns the paths of the pictures. Raises DataError for a file that is missing or damaged.
    """
    folder, written = Path(out), []
    folder.mkdir(parents=True, exist_ok=True)
    for count, path in enumerate(map(Path, images), 1):
        pixels = to_pixels(read_file(path), network.preprocess.channels, str(path))
        classes = segment(network, pixels)
        picture = folder / f"{path.stem}_segments.png"
        columns = [("image", _rgb(pixels)), ("classes", overlay(pixels, classes))]
        panels(columns, _present([classes]), class_names, picture)
        np.savez_compressed(picture.with_suffix(".npz"), classes=classes, names=list(class_names))
        written.append(picture)
        if tell:
            tell(count, len(images))
    return written


def figure4(
    networks: Mapping[str, Network],
    class_names: Sequence[str],
    image: bytes | np.ndarray,
    path: str | Path,
    *,
    truth: bytes | np.ndarray | None = None,
) -> Path:
    """The paper's figure 4: what each network says, the ground truth where given, the image.

    `networks` are {title: network}, in the order of the columns; the paper has the finest first.
    Raises DataError for an image that does not decode or a picture that cannot be written.
    """
    pixels = to_pixels(image, 3, "the image")
    maps = {
        title: segment(network, to_pixels(image, network.preprocess.channels, "the image"))
        for title, network in networks.items()
    }
    if truth is not None:
        maps["ground truth"] = decode_map(truth, "the image")
    columns = [(title, overlay(pixels, classes)) for title, classes in maps.items()]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return panels([*columns, ("image", pixels)], _present(list(maps.values())), class_names, path)


def mask_beside(image: Path) -> bytes | None:
    """The mask of ROOT/SPLIT/images/NAME.jpg in ROOT/SPLIT/masks/NAME.png, if it is there."""
    mask = image.parent.parent / "masks" / f"{image.stem}.png"
    return mask.read_bytes() if image.parent.name == "images" and mask.is_file() else None


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def _present(maps: Sequence[np.ndarray]) -> list[int]:
    """The classes that occur in `maps`, in order."""
    return sorted({int(k) for classes in maps for k in np.unique(classes)})
