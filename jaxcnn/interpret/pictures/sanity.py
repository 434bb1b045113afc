"""Sanity checks as a picture: each method's map while the network is drawn anew from the top."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.overlay import Panel
from jaxcnn.errors import ConfigError
from jaxcnn.interpret import attribution, class_activation
from jaxcnn.interpret.activations import layer_shapes
from jaxcnn.interpret.pictures.task import Classes, Task
from jaxcnn.interpret.sanity import Randomised, randomised, steps, weighted_layers

Maps = Callable[[Any, Any, Any, list[int]], Any]  # (model, variables, image, [class]) -> map


def _integrated(model: Any, variables: Any, image: Any, classes: list[int]) -> Any:
    found = attribution.integrated_gradients(model, variables, image, classes, most=64)
    return found.attributions


def _rule(rule: str) -> Maps:
    def run(model: Any, variables: Any, image: Any, classes: list[int]) -> Any:
        return np.abs(attribution.saliency(model, variables, image, classes, rule=rule))

    return run


def _grad_cam(model: Any, variables: Any, image: Any, classes: list[int]) -> Any:
    return class_activation.grad_cam(model, variables, image, classes, rectify=False)


def _cam(model: Any, variables: Any, images: Any, targets: Any) -> Any:
    return class_activation.cam(model, variables, images, jnp.asarray(targets))


METHODS: dict[str, Maps] = {
    "cam": _cam,
    "grad_cam": _grad_cam,
    "gradient": _rule("gradient"),
    "integrated": _integrated,
    "guided": _rule("guided"),
    "deconv": _rule("deconv"),
}


def sanity_checks(task: Task, classes: Classes, *, method: str = "") -> list[pathlib.Path]:
    """The maps of every method (or of one) after 1, a third, two thirds and all layers are random.

    The rank correlation with the trained network's map stands above each. Methods that the network
    cannot be explained by (CAM without global average pooling, rules without ReLUs) are left out
    unless they are asked for. Raises ConfigError for a method that there is not.
    """
    if method and method not in METHODS:
        raise ConfigError(f"there is no sanity check of {method!r}; there are {', '.join(METHODS)}")
    viewer, seen, written = task.viewer, task.seen, []
    shown = {method: METHODS[method]} if method else METHODS
    layers = weighted_layers(viewer.model, viewer.variables, seen.inputs.shape)
    counts = steps(layers)
    total = len(classes) * len(shown)
    for row, (number, *_) in enumerate(classes):
        rows, numbers = [], {}
        for place, (name, maps) in enumerate(shown.items(), start=1):
            try:
                found = _check(task, row, maps, number, layers, counts)
            except ConfigError:
                if method:
                    raise
                continue
            finally:
                if task.progress:
                    task.progress(row * len(shown) + place, total)
            first = task.original(row) if not rows else Panel(seen.originals[row])
            rows.append([first, *_panels(task, row, name, found, counts)])
            numbers[name] = np.asarray(found.correlation)
        _say(numbers, [layers[count - 1] for count in counts])
        path = Task(viewer, seen, task.out).draw(
            row, "sanity", rows, layers=np.asarray([layers[count - 1] for count in counts]),
            counts=np.asarray(counts), classes=np.asarray([number]), **numbers,
        )  # fmt: skip
        written.append(path)
    return written


def _check(
    task: Task, row: int, maps: Maps, number: int, layers: list[str], counts: list[int]
) -> Randomised:
    viewer, image = task.viewer, task.seen.inputs[row : row + 1]
    layer_shapes(viewer.model, viewer.variables, image.shape)

    def explain(variables: Any) -> np.ndarray:
        return np.asarray(maps(viewer.model, variables, image, [number]), np.float32)[0]

    return randomised(explain, viewer.variables, layers, counts=counts)


def _panels(task: Task, row: int, name: str, found: Randomised, counts: list[int]) -> list[Panel]:
    seen, viewer = task.seen, task.viewer
    views, _ = viewer.views(seen, row, "center")
    panels = []
    for place, shown in enumerate(found.maps):
        signed = shown.ndim == 2  # class activation maps may be negative everywhere
        heat = shown if signed else np.abs(shown).max(axis=-1)
        placed = viewer.on_original(seen, row, [heat], views)
        if place == 0:
            title = f"{name}\nas trained"
        else:
            count = counts[place - 1]
            lowest = _end_of(found.layers[place - 1])
            title = f"{count} random, to {lowest}\nrank correlation "
            title += f"{found.correlation[place - 1]:.2f}"
        top = float(np.nanquantile(np.abs(placed), 0.995))
        span = (-top if signed else 0.0, top)
        image = seen.originals[row]
        panels.append(Panel(image, title, placed, alone=True, span=span, signed=signed))
    return panels


def _end_of(layer: str, most: int = 20) -> str:
    """The last characters of a path, as many as a title has room for."""
    return layer if len(layer) <= most else f"...{layer[3 - most :]}"


def _say(numbers: dict[str, np.ndarray], layers: list[str]) -> None:
    print("rank correlation with the trained network's map, random from the head down to:")
    print(f"  {'':<12}" + "  ".join(f"{_end_of(layer):>20}" for layer in layers))
    for name, values in numbers.items():
        print(f"  {name:<12}" + "  ".join(f"{value:>20.2f}" for value in values))
