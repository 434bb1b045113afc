"""Attributions of pixels over images."""

import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.draw.overlay import Panel
from jaxcnn.errors import ConfigError
from jaxcnn.interpret import attribution
from jaxcnn.interpret.pictures.task import Classes, Progress, Task

METHODS = (*attribution.RULES, "smooth", "integrated")
SAMPLES = 25  # noisy copies of SmoothGrad
SHARE = 0.995  # of the pixels lie inside the colours; a few outliers would make all else pale


def saliency_maps(
    task: Task, classes: Classes, *, method: str, times_input: bool = False, views: str = "center"
) -> list[pathlib.Path]:
    """Attributions of pixels by `method`: a rule of attribution.RULES, "smooth" or "integrated".

    Drawn are the largest absolute value of a pixel's colours, or their signed sum for integrated
    gradients and with `times_input`. Attributions are averaged over the `views` of the image.
    Raises ConfigError for a method that there is not.
    """
    if method not in METHODS:
        listed = ", ".join(METHODS)
        raise ConfigError(f"there is no method {method!r} of saliency; there are {listed}")
    viewer, seen, written = task.viewer, task.seen, []
    signed = method == "integrated" or times_input
    unit = "logit, by pixel" if signed else "|change of logit by colour|"
    progress = task.progress if len(seen.paths) == 1 else None
    for row, wanted in enumerate(classes):
        shown, inputs = viewer.views(seen, row, views)
        panels, kept = [task.original(row)], []
        for number in wanted:
            values, note = attributed(
                (viewer.model, viewer.variables, inputs, [number] * len(inputs)),
                method, times_input=times_input, progress=progress,
            )  # fmt: skip
            kept.append(values)
            heats = values.sum(axis=-1) if signed else np.abs(values).max(axis=-1)  # [V, S, S]
            heat = viewer.on_original(seen, row, heats, shown)
            limit = float(np.nanquantile(np.abs(heat), SHARE))
            panels.append(
                Panel(
                    seen.originals[row], f"{label(method, times_input)}{note}\n{task.name(number)}",
                    heat, unit, span=(-limit, limit) if signed else (0.0, limit), signed=signed,
                    alone=True,
                )
            )  # fmt: skip
        names = np.asarray([viewer.class_names[number] for number in wanted])
        written.append(
            task.draw(
                row, f"saliency_{label(method, times_input)}", [panels],
                attributions=np.stack(kept), classes=np.asarray(wanted), class_names=names,
            )
        )  # fmt: skip
    return written


def label(method: str, times_input: bool) -> str:
    """The method's name, also in names of files."""
    return f"{method}_times_input" if times_input and method != "integrated" else method


def attributed(
    network: tuple[Any, Any, Any, Any],
    method: str,
    *,
    times_input: bool = False,
    progress: Progress = None,
) -> tuple[np.ndarray, str]:
    """(attributions float32 [B, S, S, C], what is to be said of them) for (model, variables, ...)."""
    model, variables, inputs, classes = network
    if method == "integrated":
        found = attribution.integrated_gradients(model, variables, inputs, classes)
        gap = float(found.gap.max())
        return np.asarray(found.attributions), f", gap {gap:.2%} in {found.steps} steps"
    if method == "smooth":
        values = attribution.smooth_grad(
            model, variables, inputs, classes, key=jax.random.key(0), samples=SAMPLES,
            progress=progress,
        )  # fmt: skip
        return np.asarray(values * inputs if times_input else values), ""
    values = attribution.saliency(
        model, variables, inputs, jnp.asarray(classes), rule=method, times_input=times_input
    )
    return np.asarray(values), ""
