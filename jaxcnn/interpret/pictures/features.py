"""Feature maps of a layer, and what excites them: the deconvnet's projections."""

import pathlib

import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.grids import around_grey, flat, grid, stretch
from jaxcnn.interpret.activations import capture, check_map, head_map, layer_shapes
from jaxcnn.interpret.deconvnet import deconvnet
from jaxcnn.interpret.pictures.task import Task, save_numbers

MAPS = 15  # feature maps drawn of a layer; with the input they fill a square


def feature_maps(task: Task, *, layer: str = "", most: int = MAPS) -> list[pathlib.Path]:
    """The first `most` maps of `layer` (default: the head's input), each in its own scale."""
    layer, maps = _maps(task, layer)
    shape = "x".join(map(str, maps.shape[1:]))
    written = []
    for row in range(len(task.seen.paths)):
        shown = [maps[row, :, :, channel] for channel in range(min(most, maps.shape[3]))]
        path = grid(
            [flat(task.seen.views[row]), *(stretch(heat, 0.0) for heat in shown)],
            task.target(row, f"features_{layer.replace('/', '.')}"),
            titles=["input", *(_said(channel, heat) for channel, heat in enumerate(shown))],
            title=f"{layer} ({shape}), channel: maximum",
        )
        save_numbers(path, maps=maps[row], layer=np.asarray(layer))
        task.tell(row)
        written.append(path)
    return written


def first_maps(task: Task, layers: list[str], *, most: int = 8) -> list[pathlib.Path]:
    """The first `most` maps of each of `layers`, each layer in a row of its own."""
    kept = capture(task.viewer.model, task.viewer.variables, task.seen.inputs, layers)
    maps = {layer: np.asarray(kept[layer], np.float32) for layer in layers}  # [B, h, w, C] each
    most = min(most, *(values.shape[3] for values in maps.values()))
    written = []
    for row, path in enumerate(task.seen.paths):
        shown = [(layer, k, maps[layer][row, :, :, k]) for layer in layers for k in range(most)]
        titles = [(f"{layer}, " if not k else "") + _said(k, heat) for layer, k, heat in shown]
        picture = grid(
            [stretch(heat, 0.0) for _, _, heat in shown], task.target(row, "first_maps"),
            columns=most, titles=titles,
            title=f"{pathlib.Path(path).name}: the first maps of each size, channel: maximum",
        )  # fmt: skip
        numbers = {layer.replace("/", "."): values[row] for layer, values in maps.items()}
        save_numbers(picture, **numbers)
        task.tell(row)
        written.append(picture)
    return written


def _said(channel: int, heat: np.ndarray) -> str:
    top = float(heat.max())
    return f"{channel}: {top:.2g}" if top > 0 else f"{channel}: none > 0"


def projections(task: Task, *, layer: str = "", most: int = 8) -> list[pathlib.Path]:
    """Projections of the `most` strongest channels of `layer` alone, grey where nothing reaches."""
    layer, maps = _maps(task, layer)
    viewer, seen, written = task.viewer, task.seen, []
    peaks = maps.max(axis=(1, 2))  # [B, C]
    for row in range(len(seen.paths)):
        strongest = np.argsort(-peaks[row], kind="stable")[:most]
        strongest = strongest[peaks[row][strongest] > 0]
        shown = []
        for number, channel in enumerate(strongest, start=1):
            image = seen.inputs[row : row + 1]
            back = deconvnet(viewer.model, viewer.variables, image, layer, jnp.asarray([channel]))
            shown.append(np.asarray(back)[0])
            if task.progress:
                task.progress(row * most + number, len(seen.paths) * most)
        titles = [f"{channel}: {peaks[row, channel]:.2g}" for channel in strongest]
        path = grid(
            [flat(seen.views[row]), *map(around_grey, shown)],
            task.target(row, f"deconv_{layer.replace('/', '.')}"),
            titles=["input", *titles],
            title=f"{layer}: strongest channels projected back; channel: activation",
        )
        save_numbers(
            path, projections=np.stack(shown), channels=strongest,
            activations=peaks[row, strongest],
        )  # fmt: skip
        written.append(path)
    if task.progress:
        task.progress(len(seen.paths) * most, len(seen.paths) * most)
    return written


def _maps(task: Task, layer: str) -> tuple[str, np.ndarray]:
    """(the layer, its maps float32 [B, h, w, C])."""
    viewer, inputs = task.viewer, task.seen.inputs
    shapes = layer_shapes(viewer.model, viewer.variables, inputs.shape)
    layer = check_map(shapes, layer or head_map(shapes))
    maps = capture(viewer.model, viewer.variables, inputs, [layer])[layer]
    return layer, np.asarray(maps, np.float32)
