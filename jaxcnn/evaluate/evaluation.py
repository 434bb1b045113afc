"""Evaluation of networks, alone or as an ensemble: every image of a split counts exactly once."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from jaxcnn.checkpoint.variables import check_classifies
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.validation import validate
from jaxcnn.config.values import from_dict
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate.numbers import Numbers, measure
from jaxcnn.evaluate.predictions import Predictions, average
from jaxcnn.evaluate.scoring import predict
from jaxcnn.evaluate.trained import Trained, load_trained

Path = str | pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation(Numbers):
    """The numbers of an evaluation, what was evaluated and how, and the predictions themselves."""

    model: str  # the members' networks, joined by " + "
    members: list[str]  # their paths
    dataset: str
    split: str
    step: int | None  # of the training; None for an ensemble and for imported weights
    protocol: str  # "saved" where all members are files of predictions
    views: int  # of one image, over all members
    shapes: int  # programs that were compiled, one for each shape of view
    predictions: Predictions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """The predictions of one network, and where they come from."""

    path: str
    model: str
    predictions: Predictions
    step: int | None = None
    views: int = 0
    data_dir: str | None = None


def evaluate(
    workdir: Path | Sequence[Path],
    *,
    protocol: str = "center",
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    batch_size: int = 0,
    best: bool = False,
    devices: Sequence[Any] | None = None,
    progress: bool = False,
) -> Evaluation:
    """Errors, calibration and confusion of trained networks on a split.

    Network, precision, preprocessing and class names come from each checkpoint.

    Args:
      workdir: a run, whose newest checkpoint (or `best`) is taken, or imported weights. Several, or
        files that `Predictions.save` wrote, are an ensemble: the mean of their probabilities.
      protocol: one of protocols.NAMES.
      dataset, data_dir, split: default: those of the first run.
      batch_size: in images of the network's size; default: the run's.
      devices: of this process; default: all of them. Of several processes, each scores a part of
        the images, and all return the whole result.
      progress: whether to say on stderr how far it is.

    Raises:
      CheckpointError, ConfigError, DataError: with one sentence.
    """
    paths = [workdir] if isinstance(workdir, str | pathlib.Path) else list(workdir)
    if not paths:
        raise ConfigError(
            "there is nothing to evaluate: give the workdir of a run, imported weights, or a file "
            "of predictions"
        )
    members = _score_all(
        paths, protocol=protocol, dataset=dataset, data_dir=data_dir, split=split,
        batch_size=batch_size, best=best, devices=devices, progress=progress,
    )  # fmt: skip
    averaged = average([(member.path, member.predictions) for member in members])
    views = sum(member.views for member in members)
    return Evaluation(
        **vars(measure(averaged)),
        model=" + ".join(member.model for member in members),
        members=[member.path for member in members],
        dataset=averaged.dataset,
        split=averaged.split,
        step=members[0].step if len(members) == 1 else None,
        protocol=protocol if views else "saved",
        views=views,
        shapes=averaged.shapes,
        predictions=averaged,
    )


def _score_all(
    paths: Sequence[Path],
    *,
    dataset: str | None,
    data_dir: str | None,
    split: str | None,
    **settings: Any,
) -> list[Member]:
    """The members of an ensemble; the first of them that is a run names the dataset for all."""
    members: list[Member] = []
    for path in sorted(paths, key=_is_file):  # checkpoints first: they know the dataset
        if _is_file(path):
            stem, saved = pathlib.Path(path).stem, Predictions.load(path)
            members.append(Member(path=str(path), model=stem, predictions=saved))
            continue
        member = score_member(path, dataset=dataset, data_dir=data_dir, split=split, **settings)
        members.append(member)
        dataset, split = member.predictions.dataset, member.predictions.split
        data_dir = member.data_dir
    return members


def _is_file(path: Path) -> bool:
    return pathlib.Path(path).suffix == ".npz"


def score_member(
    workdir: Path,
    *,
    protocol: str = "center",
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    batch_size: int = 0,
    best: bool = False,
    devices: Sequence[Any] | None = None,
    progress: bool = False,
) -> Member:
    """The predictions of one checkpoint; arguments and errors as those of `evaluate`."""
    trained = load_trained(workdir, best)
    config = settings_of(trained.metadata, dataset, data_dir, batch_size)
    data = config.data
    if not split:
        split = data.eval_split or default_eval_split(open_source(data, data.train_split))
    source = open_source(data, split)
    if source.maps:
        raise ConfigError(
            f"{data.name} {split} has a label for every pixel; evaluate it with "
            f"jaxcnn evaluate-segmentation --workdir {workdir}"
        )
    check_classifies(trained.model)
    check_classes(trained.class_lists, source.class_names, f"{data.name} {split}")
    chosen = trained.protocol(protocol)
    predictions = predict(
        trained.model,
        trained.variables,
        preprocess=trained.preprocess,
        protocol=chosen,
        source=source,
        data=data,
        devices=devices,
        progress=progress,
    )
    names = known_names(trained, predictions.class_names)
    return Member(
        path=str(workdir),
        model=trained.metadata["model"],
        predictions=dataclasses.replace(predictions, class_names=names),
        step=trained.metadata.get("step"),
        views=chosen.views,
        data_dir=data.data_dir,
    )


def settings_of(
    metadata: dict[str, Any], dataset: str | None, data_dir: str | None, batch_size: int
) -> Config:
    """The checkpoint's config, or a fresh one for imported weights, with the dataset asked for."""
    stored = metadata.get("config")
    if not stored and not dataset:
        raise ConfigError(
            "these weights come without a dataset; name one with --dataset, such as imagenet2012, "
            "and --data-dir"
        )
    config = from_dict(stored) if stored else Config()
    data = config.data
    if dataset and dataset != data.name:
        data.name, data.data_dir, data.eval_split = dataset, "", ""
    elif not data.eval_split:
        data.eval_split = metadata.get("eval_split", "")
    data.data_dir = data.data_dir if data_dir is None else data_dir
    data.batch_size = data.eval_batch_size = batch_size or data.eval_batch_size or data.batch_size
    # The run's other settings were checked when it began, perhaps by rules of an older version.
    validate(Config(data=Data(name=data.name, batch_size=data.batch_size)))
    return config


def check_classes(known: list[list[str]], class_names: list[str], where: str) -> None:
    """Raises DataError unless the dataset's classes are those of the weights, in their order.

    `known` are the lists that the weights have: names, synsets, both, or none.
    """
    if not known or class_names in known:
        return
    expected = known[0]
    if len(class_names) != len(expected):
        raise DataError(
            f"{where} has {len(class_names)} classes and the weights tell {len(expected)} apart; "
            "evaluate on the dataset they are for"
        )
    if _numbered(class_names) and not set(class_names).intersection(*known):
        return  # a dataset whose classes have numbers only: there is nothing to compare
    pairs = zip(class_names, expected, strict=True)
    first = next(i for i, (here, there) in enumerate(pairs) if here != there)
    raise DataError(
        f"class {first} is {class_names[first]!r} in {where} and {expected[first]!r} in the "
        "weights; both need the same classes in the same order"
    )


def known_names(trained: Trained, class_names: list[str]) -> list[str]:
    """The dataset's `class_names`, or where those are numbers the names that the weights know."""
    if not _numbered(class_names):
        return class_names
    for names in reversed(trained.class_lists):  # synsets first: they are unique
        if len(set(names)) == len(class_names):
            return names
    return class_names


def _numbered(class_names: list[str]) -> bool:
    return class_names == [str(i) for i in range(len(class_names))]
