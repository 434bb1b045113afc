"""ZFNet's figure 7: what the network says while a square hides parts of the image in turn."""

import pathlib

import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.grids import around_grey
from jaxcnn.draw.overlay import Panel
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import check_map, head_map, layer_shapes
from jaxcnn.interpret.deconvnet import deconvnet
from jaxcnn.interpret.occlusion import Occlusion, occlusion
from jaxcnn.interpret.pictures.task import Classes, Task
from jaxcnn.interpret.viewer import Seen
from jaxcnn.interpret.views import place

NAMED = 9  # classes with a colour of their own; all others share one


def occlusion_maps(
    task: Task, classes: Classes, *, size: int = 0, stride: int = 0, layer: str = ""
) -> list[pathlib.Path]:
    """The image, a map's activity and projection, p(class) and the label, by the square's place.

    The map is that of `layer` (default: the head's input) that is strongest without the square. A
    square is a fifth of the input wide, and moves by a twenty-eighth. Maps lie over the image, at
    the middle of the square.
    """
    viewer, seen, written = task.viewer, task.seen, []
    side = viewer.preprocess.image_size
    size, stride = size or max(1, side // 5), stride or max(1, side // 28)
    shapes = layer_shapes(viewer.model, viewer.variables, seen.inputs.shape)
    layer = check_map(shapes, layer or head_map(shapes))
    for row, (number, *_) in enumerate(classes):
        image = seen.inputs[row : row + 1]
        found = occlusion(
            viewer.model, viewer.variables, image, jnp.asarray([number]), size=size, stride=stride,
            layer=layer, progress=task.progress,
        )  # fmt: skip
        assert found.activity is not None and found.strongest is not None
        panels = [
            task.original(row),
            _panel(task, row, found, found.activity[0], f"{layer}: strongest map\nits sum"),
            _panel(task, row, found, found.probability[0], f"p({task.name(number)})"),
            _labels(task, row, found),
        ]
        projection = _projection(task, image, layer, found.strongest)
        if projection is not None:
            panels.insert(2, projection)
        written.append(
            task.draw(
                row, "occlusion", [panels], probability=found.probability[0], label=found.label[0],
                activity=found.activity[0], channel=found.strongest, tops=found.tops,
                lefts=found.lefts, size=np.asarray(size), classes=np.asarray([number]),
            )
        )  # fmt: skip
    return written


def _panel(task: Task, row: int, found: Occlusion, values: np.ndarray, title: str) -> Panel:
    heat = _placed(task, task.seen, row, at_centres(values, found, task.viewer.shape[0]))
    unit = "probability" if title.startswith("p(") else "activation"
    return Panel(task.seen.originals[row], title, heat, unit, alone=True)


def _labels(task: Task, row: int, found: Occlusion) -> Panel:
    """The most probable class by place, in a colour for each of those that are most frequent."""
    labels = found.label[0]
    numbers, counts = np.unique(labels, return_counts=True)
    common = numbers[np.argsort(-counts, kind="stable")][:NAMED].tolist()
    index = np.full(labels.shape, len(common), np.float32)
    for place_, number in enumerate(common):
        index[labels == number] = place_
    names = [task.name(number) for number in common]
    names += ["others"] if len(numbers) > NAMED else []
    centred = at_centres(index, found, task.viewer.shape[0])
    # Each class is placed by itself: between the indices of two classes there is no third one.
    shares = [_placed(task, task.seen, row, _where(centred, k)) for k in range(len(names))]
    heat = np.where(np.isnan(shares[0]), np.nan, np.argmax(shares, axis=0))  # [H, W]
    return Panel(
        task.seen.originals[row], "most probable class", heat, alone=True, names=tuple(names)
    )


def _where(index: np.ndarray, number: int) -> np.ndarray:
    """1 where a map of indices is `number`, 0 elsewhere; NaN stays."""
    return np.where(np.isnan(index), np.nan, (index == number).astype(np.float32))


def _placed(task: Task, seen: Seen, row: int, heat: np.ndarray) -> np.ndarray:
    return place(heat, seen.originals[row].shape[:2], task.viewer.preprocess)


def _projection(task: Task, image, layer: str, channel: np.ndarray) -> Panel | None:
    """The strongest map projected back to the pixels (figure 7 c); None without ReLUs."""
    viewer = task.viewer
    try:
        back = np.asarray(
            deconvnet(viewer.model, viewer.variables, image, layer, jnp.asarray(channel))
        )[0]
    except ConfigError:
        return None
    picture = np.uint8(255 * around_grey(back).clip(0, 1))  # [S, S] or [S, S, 3]
    return Panel(picture.reshape(*back.shape), f"channel {channel[0]} of {layer}\nprojected back")


def at_centres(values: np.ndarray, found: Occlusion, side: int) -> np.ndarray:
    """Values [n, m] by the square's place as a map [S, S] by the square's middle.

    NaN where the middle never is. Between the places values are the nearest place's.
    """
    picked, outside = [], []
    for at, count in zip((found.tops, found.lefts), values.shape, strict=True):
        step = float(at[1] - at[0]) if count > 1 else 1.0
        place_ = (np.arange(side) + 0.5 - at[0] - found.size / 2) / step
        picked.append(np.clip(np.round(place_), 0, count - 1).astype(int))
        outside.append((place_ < -0.5) | (place_ > count - 0.5))
    shown = values[np.ix_(*picked)].astype(np.float32)  # [S, S]
    shown[outside[0][:, None] | outside[1][None, :]] = np.nan
    return shown
