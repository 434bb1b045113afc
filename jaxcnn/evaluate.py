"""Evaluation: every image of a split counted exactly once."""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxcnn import checkpoint, feed, metrics, sharding, step
from jaxcnn import config as config_lib
from jaxcnn import data as data_lib
from jaxcnn.config import ConfigError
from jaxcnn.data import DataError
from jaxcnn.data.augment import make_prepare
from jaxcnn.data.preprocess import Preprocess


def count_examples(eval_step: Callable, variables: Any, split_feed: Any) -> dict[str, Any]:
    """Sums of `eval_step` over a whole split, on the host; the padded rest of the last batch counts nothing."""
    total = None
    for item in split_feed.items():
        total = metrics.add(total, eval_step(variables, split_feed.store, item))
    return {name: np.asarray(value) for name, value in jax.device_get(total).items()}


def _settings(metadata: dict[str, Any], dataset: str | None, data_dir: str | None, batch_size: int) -> config_lib.Config:
    """The config that a run's checkpoint has, or for imported weights a fresh one; with the dataset that the caller names."""
    stored = metadata.get("config")
    if not stored and not dataset:
        raise ConfigError("these weights come without a dataset; name one with --dataset, such as imagenet2012, and --data-dir")
    config = config_lib.from_dict(stored) if stored else config_lib.Config()
    data = config.data
    if dataset and dataset != data.name:
        data.name, data.data_dir, data.eval_split = dataset, "", ""
    elif not data.eval_split:
        data.eval_split = metadata.get("eval_split", "")
    data.data_dir = data.data_dir if data_dir is None else data_dir
    data.batch_size = data.eval_batch_size = batch_size or data.eval_batch_size or data.batch_size
    return config_lib.validate(config)


def check_classes(metadata: dict[str, Any], class_names: list[str], where: str) -> None:
    """Raises DataError unless the dataset's classes are those of the weights, in their order (as names or as synsets)."""
    known = [metadata[name] for name in ("class_names", "synsets") if metadata.get(name)]
    if not known or class_names in known:
        return
    if len(class_names) != len(known[0]):
        raise DataError(
            f"{where} has {len(class_names)} classes and the weights tell {len(known[0])} apart; evaluate on the dataset they are for"
        )
    numbered = class_names == [str(i) for i in range(len(class_names))]
    if numbered and not set(class_names).intersection(*known):
        return  # a dataset whose classes have numbers only: there is nothing to compare
    at = next(i for i, pair in enumerate(zip(class_names, known[0], strict=True)) if pair[0] != pair[1])
    raise DataError(
        f"class {at} is {class_names[at]!r} in {where} and {known[0][at]!r} in the weights; both need the same classes in the same order"
    )


def evaluate(
    workdir: str | pathlib.Path,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    batch_size: int = 0,
    best: bool = False,
) -> dict[str, Any]:
    """Top-1, top-5, loss and count of a run's newest checkpoint (or its `best`) on a split of its dataset, or of imported weights.

    Model, precision, preprocessing and class names come from the checkpoint; dataset and split are those of the run unless given. Returns
    {top1, top5, loss, count, per_class_accuracy, confusion, ...}; raises CheckpointError, ConfigError or DataError with one sentence.
    """
    variables, metadata = checkpoint.load_variables(workdir, best)
    model, preprocess = checkpoint.model_of(metadata), Preprocess.from_dict(metadata["preprocessing"])
    config = _settings(metadata, dataset, data_dir, batch_size)
    mesh = sharding.make_mesh(config_lib.Sharding())
    unit = mesh.shape["data"]
    config.data.eval_batch_size = -(-config.data.eval_batch_size // unit) * unit
    split = split or config.data.eval_split or data_lib.default_eval_split(data_lib.open_source(config.data, config.data.train_split))
    source = data_lib.open_source(config.data, split)
    check_classes(metadata, source.class_names, f"{config.data.name} {split}")
    split_feed = feed.make_feed(config.data, split, preprocess, mesh, train=False)
    prepare = make_prepare(config.data, preprocess, len(source.class_names), train=False)
    one_eval = step.make_eval_step(model, step.LOSSES[config.optim.loss], prepare=prepare)
    eval_step = jax.jit(lambda variables, store, item: one_eval(variables, split_feed.fetch(store, item)))
    sums = count_examples(eval_step, sharding.put_replicated(mesh, variables), split_feed)
    accuracy = metrics.per_class_accuracy(sums["confusion"])
    return {
        "model": metadata["model"],
        "dataset": config.data.name,
        "split": split,
        "step": metadata.get("step"),
        **metrics.summarize(sums),
        "per_class_accuracy": dict(zip(source.class_names, accuracy.tolist(), strict=True)),
        "confusion": sums["confusion"],
    }


def as_json(result: dict[str, Any]) -> str:
    """The result on one line, without the matrix; a class without images has null."""
    plain = {name: value for name, value in result.items() if name != "confusion"}
    plain["per_class_accuracy"] = {n: None if a != a else a for n, a in result["per_class_accuracy"].items()}
    return json.dumps(plain)


def as_text(result: dict[str, Any]) -> str:
    """The result for reading: totals, then each class's accuracy."""
    head = (
        f"{result['model']} on {result['dataset']} {result['split']}: top-1 {result['top1']:.2%}, top-5 {result['top5']:.2%}, "
        f"loss {result['loss']:.4f}, {result['count']:,.0f} images" + (f" (step {result['step']})" if result["step"] is not None else "")
    )
    return "\n".join([head, *(f"  {name:<24} {share:7.2%}" for name, share in result["per_class_accuracy"].items())])
