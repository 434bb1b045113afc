"""Class activation maps over images: CAM and its relatives, and NiN's class maps."""

import pathlib

import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.overlay import Panel, rows_of_panels
from jaxcnn.errors import ConfigError
from jaxcnn.interpret import class_activation
from jaxcnn.interpret.boxes import box_of_map
from jaxcnn.interpret.pictures.task import Classes, Task, save_numbers

TOP_SHARE = 0.1  # of the activations: NiN's figure 4 shows these
FEW = 10  # classes that are all shown


def cams(
    task: Task, classes: Classes, *, method: str, layer: str = "", views: str = "center"
) -> list[pathlib.Path]:
    """Class activation maps by `method`, with the box of the largest bright region.

    `method` is "cam" or one of class_activation.METHODS. All maps of an image share one scale.
    Maps are averaged over the `views` of the image. Raises ConfigError for a method or a layer
    that there is not.
    """
    function = _method(method, layer)
    fields = {} if method == "cam" else {"layer": layer}
    viewer, seen, written = task.viewer, task.seen, []
    unit = "logit" if method == "cam" else "weighted activation"
    for row, wanted in enumerate(classes):
        shown, inputs = viewer.views(seen, row, views)
        grids = [
            np.asarray(
                function(viewer.model, viewer.variables, inputs, _each(inputs, number), **fields)
            )
            for number in wanted
        ]  # [V, h, w] each
        placed = np.stack([viewer.on_original(seen, row, list(grid), shown) for grid in grids])
        span = (0.0, float(np.nanmax(placed)))
        panels = [task.original(row)]
        boxes = [box_of_map(heat) for heat in placed]
        for number, heat, box in zip(wanted, placed, boxes, strict=True):
            title = f"{method}\n{task.name(number)}"
            heat = np.where(np.isnan(heat), np.nan, np.maximum(heat, 0))
            panels.append(Panel(seen.originals[row], title, heat, unit, box, span))
        path = rows_of_panels([panels], task.target(row, method), one_bar=len(wanted) > 1)
        save_numbers(
            path, maps=placed, grid=np.stack(grids), boxes=_box_rows(boxes), **_named(task, wanted)
        )
        task.tell(row)
        written.append(path)
    return written


def class_maps(
    task: Task, classes: Classes | None = None, *, most: int = FEW
) -> list[pathlib.Path]:
    """The network's class maps, the top 10 % of their activations, the true class framed (NiN 4).

    Without `classes` all are shown where there are few, else the `most` probable ones and the true
    one. The true class is that of the image's folder. The box around the largest region above 20 %
    of the maximum is CAM's localisation. Raises ConfigError for a network without class maps.
    """
    viewer, seen, written = task.viewer, task.seen, []
    for row in range(len(seen.paths)):
        shown, inputs = viewer.views(seen, row, "center")
        class_activation.cam(viewer.model, viewer.variables, inputs)  # says where there is none
        maps = np.asarray(class_activation.class_map(viewer.model, viewer.variables, inputs))[0]
        true = task.true_class(row)
        wanted = list(classes[row]) if classes else _chosen(maps.mean(axis=(0, 1)), true, most)
        placed = [viewer.on_original(seen, row, [maps[..., k]], shown) for k in wanted]
        boxes = [box_of_map(heat) for heat in placed]
        panels = [task.original(row)]
        for number, heat, box in zip(wanted, placed, boxes, strict=True):
            title = f"{task.name(number)}\nlogit {maps[..., number].mean():.2f}"
            panels.append(
                Panel(
                    seen.originals[row], title, strongest(heat), "logit", box,
                    span=(0.0, max(0.0, float(np.nanmax(placed)))), framed=number == true,
                )
            )  # fmt: skip
        across = 1 + min(5, len(wanted))
        rows = [panels[start : start + across] for start in range(0, len(panels), across)]
        path = rows_of_panels(rows, task.target(row, "classmaps"), one_bar=True)
        save_numbers(path, maps=maps[..., wanted], boxes=_box_rows(boxes), **_named(task, wanted))
        task.tell(row)
        written.append(path)
    return written


def strongest(heat: np.ndarray, share: float = TOP_SHARE) -> np.ndarray:
    """The map [H, W] where it is above zero and among its strongest `share`, NaN elsewhere."""
    least = max(0.0, float(np.nanquantile(heat, 1 - share)))
    return np.where(np.nan_to_num(heat, nan=-np.inf) > least, heat, np.nan)


def _chosen(logits: np.ndarray, true: int | None, most: int) -> list[int]:
    if len(logits) <= FEW:
        return list(range(len(logits)))
    chosen = np.argsort(-logits, kind="stable")[:most].tolist()
    return chosen if true is None or true in chosen else [*chosen[:-1], true]


def _method(method: str, layer: str):
    known = {"cam": class_activation.cam, **class_activation.METHODS}
    if method not in known:
        raise ConfigError(f"there is no method {method!r} here; there are {', '.join(known)}")
    if method == "cam" and layer:
        raise ConfigError(
            "cam explains the map that the head reads; --layer is for grad_cam and its relatives"
        )
    return known[method]


def _each(inputs, number: int):
    return jnp.full((len(inputs),), number, jnp.int32)


def _named(task: Task, wanted) -> dict[str, np.ndarray]:
    names = [task.viewer.class_names[number] for number in wanted]
    return {"classes": np.asarray(wanted), "class_names": np.asarray(names)}


def _box_rows(boxes) -> np.ndarray:
    """Boxes as an array [n, 4]; zeros where there is none."""
    return np.asarray([box or (0, 0, 0, 0) for box in boxes])
