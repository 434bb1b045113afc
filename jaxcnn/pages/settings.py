"""What was trained: the settings of a run, and in what they differ from the nearest recipe."""

import pathlib
import runpy
from typing import Any, NamedTuple

from jaxcnn.config import recipes
from jaxcnn.config.schema import Config
from jaxcnn.config.values import differences, to_dict

# Settings that change where things lie or how they are shown, but nothing that is learned.
SILENT = (
    "data.data_dir", "data.threads", "data.prefetch", "data.resident", "data.resident_mib",
    "data.eval_batch_size", "tensorboard", "log_every", "keep", "stall_seconds",
    "steps_per_dispatch", "checkpoint_every", "checkpoint_seconds",
)  # fmt: skip


class Recipe(NamedTuple):
    """A recipe of configs/, and in what a run differs from it: {setting: (recipe, run)}."""

    name: str  # "configs/lenet.py:lenet-mnist"
    differences: dict[str, tuple[Any, Any]]


def nearest_recipe(config: dict[str, Any], folder: pathlib.Path | None = None) -> Recipe | None:
    """The recipe for the same network from which `config` differs in the fewest settings.

    `config` is as checkpoints store it. None where no file of `folder` (by default: of the recipes
    that come with the package) trains that network; a file that does not run is passed over.
    """
    best: Recipe | None = None
    for path in sorted((folder or recipes.folder()).glob("*.py")):
        for variant, recipe in _recipes(path):
            if recipe.model != config.get("model"):
                continue
            found = changed(to_dict(recipe), config)
            if best is None or len(found) < len(best.differences):
                best = Recipe(f"configs/{path.name}:{variant}", found)
    return best


def changed(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{setting: (old, new)} of what can change the result; None is what one does not set."""
    found = differences(old, new)
    return {name: pair for name, pair in found.items() if name not in SILENT}


def _recipes(path: pathlib.Path) -> list[tuple[str, Config]]:
    """[(variant, its config)] of a config file."""
    try:
        names = runpy.run_path(str(path))
        variants = names.get("VARIANTS", ())
        return [(variant, names["get_config"](variant)) for variant in variants]
    except Exception:  # config files are programs; a broken one is no reason against a report
        return []


def _optimizer(optim: dict[str, Any]) -> str:
    name, momentum = optim.get("name"), optim.get("momentum")
    if name == "momentum":
        return f"SGD with momentum {momentum}"
    return f"{name}, momentum {momentum}" if name in ("caffe", "nesterov", "rmsprop") else str(name)


def main_settings(config: dict[str, Any]) -> list[tuple[str, str]]:
    """[(what, value)] of the settings that a reader asks for first, in plain words."""
    data, optim = config.get("data", {}), config.get("optim", {})
    length = f"{optim['steps']:,} steps" if optim.get("steps") else f"{optim.get('epochs')} epochs"
    smoothing = optim.get("label_smoothing")
    args = config.get("model_args") or {}
    rows = [
        ("network", ", ".join([config["model"], *(f"{k}={v}" for k, v in args.items())])),
        ("training images", f"{data.get('name')}, split {data.get('train_split')}"),
        ("augmentation", ", ".join(data.get("augment") or []) or "none"),
        ("optimizer", _optimizer(optim)),
        ("learning rate", f"{optim.get('learning_rate')}, schedule {optim.get('schedule')}"),
        ("weight decay", str(optim.get("weight_decay"))),
        ("loss", str(optim.get("loss")) + (f", label smoothing {smoothing}" if smoothing else "")),
        ("batch", f"{data.get('batch_size')} images"),
        ("length", length),
        ("precision, seed", f"{config.get('precision')}, {config.get('seed')}"),
        ("started from", config.get("init_from") or ""),
    ]
    return [(name, value) for name, value in rows if value]
