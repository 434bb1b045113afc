"""The classifier slid over a whole image: a map of probabilities (Long et al. 2015, figure 2)."""

import pathlib

import jax
import numpy as np

from jaxcnn.data.images.views import add_background, middle, with_short_side
from jaxcnn.draw.overlay import Panel
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.class_activation import class_map, class_map_shape
from jaxcnn.interpret.pictures.task import Classes, Task
from jaxcnn.interpret.views import Place, onto

TIMES = 2  # short side of the image over the network's own, where none is given


def heatmaps(task: Task, classes: Classes, *, size: int = 0) -> list[pathlib.Path]:
    """Probabilities of classes by place, the network being run on the whole image at once.

    The image has a short side of `size` pixels (default: twice the network's). Raises ConfigError
    for a size below the network's own, and for a network whose inputs have one size only.
    """
    viewer, written = task.viewer, []
    preprocess = viewer.preprocess
    size = size or TIMES * preprocess.inner
    if size < preprocess.inner:
        raise ConfigError(f"--size {size} is below the network's own {preprocess.inner} pixels")
    if preprocess.whitening:
        raise ConfigError(
            "this network's images are whitened at one size, so it cannot be run on larger ones"
        )
    for row, wanted in enumerate(classes):
        pixels = middle(task.seen.pixels[row])
        whole = with_short_side(pixels, size, preprocess.interpolation)
        inputs = viewer.normalise(add_background(whole, preprocess.pad)[None])  # [1, h, w, C]
        logits = np.asarray(class_map(viewer.model, viewer.variables, inputs))[0]
        shares = np.asarray(jax.nn.softmax(logits))  # [h', w', K]
        original = task.seen.originals[row]
        box = _box(
            task, original=original.shape[:2], kept=pixels.shape[:2],
            shown=(inputs.shape[1], inputs.shape[2]),
            grid=shares.shape[:2],
        )  # fmt: skip
        panels = [task.original(row)]
        for number in wanted:
            heat = onto(shares[..., number], original.shape[:2], box)
            title = f"{task.name(number)}\n{shares.shape[0]}x{shares.shape[1]} places"
            panels.append(Panel(original, title, heat, "probability", span=(0.0, 1.0)))
        names = np.asarray([viewer.class_names[number] for number in wanted])
        written.append(
            task.draw(
                row, "heatmap", [panels], probabilities=shares[..., list(wanted)],
                labels=shares.argmax(axis=2), classes=np.asarray(wanted), class_names=names,
                box=np.asarray(box),
            )
        )  # fmt: skip
    return written


def _box(
    task: Task,
    *,
    original: tuple[int, int],
    kept: tuple[int, int],
    shown: tuple[int, int],
    grid: tuple[int, int],
) -> Place:
    """The part of the original that the map of `grid` places covers, in its pixels.

    Args:
      original, kept: sizes of the image before and after the ends of an elongated one are cut.
      shown: size of the network's input, background included.
      grid: places of the class map.
    """
    viewer, pad = task.viewer, task.viewer.preprocess.pad
    native = class_map_shape(viewer.model, viewer.variables, (1, *viewer.shape))[1:3]
    extents = []
    for axis in range(2):
        start, length = extent(shown[axis], grid[axis], viewer.shape[axis], native[axis])
        scale = kept[axis] / (shown[axis] - 2 * pad)
        ends = (original[axis] - kept[axis]) // 2
        extents.append((ends + (start - pad) * scale, length * scale))
    (top, height), (left, width) = extents
    return top, left, height, width


def extent(length: int, places: int, side: int, native: int) -> tuple[float, float]:
    """(start, length) in pixels of what `places` of a class map stand for in `length` pixels.

    At `side` pixels there are `native` places, evenly around the middle. Each stands for the pixels
    around the middle of what it sees.
    """
    pitch = (length - side) / (places - native) if places > native else side / native
    return side / 2 - native * pitch / 2, places * pitch
