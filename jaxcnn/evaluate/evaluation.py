"""Evaluation: networks, alone or as an ensemble, on every image of a split, counted exactly once."""

import pathlib
from collections.abc import Sequence
from typing import Any

from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config import schema, values
from jaxcnn.config.validation import validate
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.sources import open
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate import numbers, predictions, scoring
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.evaluate.protocols import make_protocol, trained_scales

Path = str | pathlib.Path


def _settings(
    metadata: dict[str, Any], dataset: str | None, data_dir: str | None, batch_size: int
) -> schema.Config:
    """The config that a run's checkpoint has, or for imported weights a fresh one; with the dataset that the caller names."""
    stored = metadata.get("config")
    if not stored and not dataset:
        raise ConfigError(
            "these weights come without a dataset; name one with --dataset, such as imagenet2012, and --data-dir"
        )
    config = values.from_dict(stored) if stored else schema.Config()
    data = config.data
    if dataset and dataset != data.name:
        data.name, data.data_dir, data.eval_split = dataset, "", ""
    elif not data.eval_split:
        data.eval_split = metadata.get("eval_split", "")
    data.data_dir = data.data_dir if data_dir is None else data_dir
    data.batch_size = data.eval_batch_size = batch_size or data.eval_batch_size or data.batch_size
    return validate(config)


def check_classes(metadata: dict[str, Any], class_names: list[str], where: str) -> None:
    """Raises DataError unless the dataset's classes are those of the weights, in their order (as names or as synsets)."""
    known = [metadata[name] for name in ("class_names", "synsets") if metadata.get(name)]
    if not known or class_names in known:
        return
    if len(class_names) != len(known[0]):
        raise DataError(
            f"{where} has {len(class_names)} classes and the weights tell {len(known[0])} apart; evaluate on the dataset they are for"
        )
    if _numbered(class_names) and not set(class_names).intersection(*known):
        return  # a dataset whose classes have numbers only: there is nothing to compare
    at = next(
        i for i, pair in enumerate(zip(class_names, known[0], strict=True)) if pair[0] != pair[1]
    )
    raise DataError(
        f"class {at} is {class_names[at]!r} in {where} and {known[0][at]!r} in the weights; both need the same classes in the same order"
    )


def _numbered(class_names: list[str]) -> bool:
    return class_names == [str(i) for i in range(len(class_names))]


def member(
    workdir: Path,
    protocol: str = "center",
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    batch_size: int = 0,
    best: bool = False,
    progress: bool = False,
) -> tuple[Predictions, dict[str, Any]]:
    """(predictions of one checkpoint, {model, step, dataset, data_dir, split, views}); arguments and errors as those of `evaluate`."""
    variables, metadata = variables_lib.load_variables(workdir, best)
    model, preprocess = (
        variables_lib.model_of(metadata),
        Preprocess.from_dict(metadata["preprocessing"]),
    )
    config = _settings(metadata, dataset, data_dir, batch_size)
    split = (
        split
        or config.data.eval_split
        or open.default_eval_split(open.open_source(config.data, config.data.train_split))
    )
    source = open.open_source(config.data, split)
    check_classes(metadata, source.class_names, f"{config.data.name} {split}")
    chosen = make_protocol(protocol, preprocess, trained_scales(metadata))
    found = scoring.predict(
        model, variables, preprocess, chosen, source, config.data, progress=progress
    )
    if _numbered(found.class_names):  # then the weights may know more than the dataset
        names = [
            metadata[name]
            for name in ("synsets", "class_names")
            if len(set(metadata.get(name) or ())) == len(found.class_names)
        ]
        found.class_names = [*names, found.class_names][0]
    about = {"model": metadata["model"], "step": metadata.get("step"), "views": chosen.views}
    return found, about | {
        "dataset": config.data.name,
        "data_dir": config.data.data_dir,
        "split": split,
    }


def evaluate(
    workdir: Path | Sequence[Path],
    *,
    protocol: str = "center",
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    batch_size: int = 0,
    best: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Errors, calibration and confusion of a run's newest checkpoint (or its `best`), or of imported weights, on a split.

    Several workdirs, or files that `Predictions.save` wrote, are an ensemble: the mean of their probabilities. Network, precision,
    preprocessing and class names come from each checkpoint; dataset and split are those of the first run unless given. `protocol` is one of
    protocols.NAMES, `batch_size` in images of the network's size. Returns what `report.numbers` does, with model, members, step, dataset,
    split, protocol, views, shapes and the `predictions` themselves; raises CheckpointError, ConfigError or DataError with one sentence.
    """
    members = [workdir] if isinstance(workdir, str | pathlib.Path) else list(workdir)
    if not members:
        raise ConfigError(
            "there is nothing to evaluate: give the workdir of a run, imported weights, or a file of predictions"
        )
    found: list[tuple[str, Predictions]] = []
    known: dict[str, Any] = {"dataset": dataset, "data_dir": data_dir, "split": split}
    names, views, step = [], 0, None
    for path in sorted(
        members, key=lambda path: pathlib.Path(path).suffix == ".npz"
    ):  # checkpoints first: they know the dataset
        if pathlib.Path(path).suffix == ".npz":
            found.append((str(path), Predictions.load(path)))
            names.append(pathlib.Path(path).stem)
            continue
        one, about = member(
            path, protocol, **known, batch_size=batch_size, best=best, progress=progress
        )
        known = {name: about[name] for name in known}
        found.append((str(path), one))
        names.append(about["model"])
        views, step = views + about["views"], about["step"]
    averaged = predictions.average(found)
    return {
        "model": " + ".join(names),
        "members": [name for name, _ in found],
        "dataset": averaged.dataset,
        "split": averaged.split,
        "step": step if len(found) == 1 else None,
        "protocol": protocol if views else "saved",
        "views": views,
        "shapes": averaged.shapes,
        **numbers.numbers(averaged),
        "predictions": averaged,
    }
