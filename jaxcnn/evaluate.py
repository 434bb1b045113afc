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
from jaxcnn.data.augment import make_prepare
from jaxcnn.data.preprocess import Preprocess


def count_examples(eval_step: Callable, variables: Any, split_feed: Any) -> dict[str, Any]:
    """Sums of `eval_step` over a whole split, on the host; the padded rest of the last batch counts nothing."""
    total = None
    for item in split_feed.items():
        total = metrics.add(total, eval_step(variables, split_feed.store, item))
    return {name: np.asarray(value) for name, value in jax.device_get(total).items()}


def evaluate(workdir: str | pathlib.Path, *, data_dir: str | None = None, split: str | None = None, batch_size: int = 0) -> dict[str, Any]:
    """Top-1, top-5, loss and count of a run's newest checkpoint on a split of its dataset (its evaluation split by default).

    Model, preprocessing and class names come from the checkpoint. Returns {top1, top5, loss, count, per_class_accuracy, confusion, ...}.
    """
    variables, metadata = checkpoint.load_variables(workdir)
    model, preprocess = checkpoint.model_of(metadata), Preprocess.from_dict(metadata["preprocessing"])
    config = config_lib.from_dict(metadata["config"])
    if data_dir is not None:
        config.data.data_dir = data_dir
    if batch_size:
        config.data.batch_size = config.data.eval_batch_size = batch_size
    mesh = sharding.make_mesh(config_lib.Sharding())
    unit = mesh.shape["data"]
    config.data.eval_batch_size = -(-(config.data.eval_batch_size or config.data.batch_size) // unit) * unit
    source = data_lib.open_source(config.data, config.data.train_split)
    split = split or config.data.eval_split or data_lib.default_eval_split(source)
    split_feed = feed.make_feed(config.data, split, preprocess, mesh, train=False)
    prepare = make_prepare(config.data, preprocess, len(metadata["class_names"]), train=False)
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
        "per_class_accuracy": dict(zip(metadata["class_names"], accuracy.tolist(), strict=True)),
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
        f"loss {result['loss']:.4f}, {result['count']:,.0f} images (step {result['step']})"
    )
    return "\n".join([head, *(f"  {name:<24} {share:7.2%}" for name, share in result["per_class_accuracy"].items())])
