"""What a report is about: a trained network, how it does on a split, and how it got there."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.config.values import from_dict, to_dict
from jaxcnn.data.images.views import eval_view
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.evaluation import Evaluation, evaluate
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.run.logs import read_metrics
from jaxcnn.weights.labels import readable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """A network with its evaluation; `rows` are its metrics.jsonl, [] of imported weights."""

    workdir: pathlib.Path
    viewer: Viewer
    data: Data  # of the evaluated dataset
    result: Evaluation
    rows: list[dict[str, Any]]

    @property
    def config(self) -> dict[str, Any]:
        """The config it was trained with, in today's fields; {} of imported weights."""
        stored = self.viewer.metadata.get("config")
        return to_dict(from_dict(stored)) if stored else {}

    @property
    def class_names(self) -> list[str]:
        """Names for people: the first synonym of each, in English where they are synsets."""
        names = readable(self.result.predictions.class_names)
        return [name.split(",")[0] for name in names]

    @property
    def final(self) -> dict[str, Any]:
        """The last line of a finished run's metrics; {} where there is none."""
        finals = [row for row in self.rows if row.get("final")]
        return finals[-1] if finals else {}

    def views(self, rows: Sequence[int]) -> np.ndarray:
        """What the network saw of these rows of the predictions: uint8 [n, S, S, C]."""
        predictions = self.result.predictions
        source, preprocess = predictions.source, predictions.preprocess
        if source is None or preprocess is None:
            raise ConfigError("a file of predictions holds no images; give the run's workdir")
        seen = []
        for row in rows:
            example = source[int(predictions.records[row])]
            seen.append(eval_view(example.image, preprocess, example.key, upright=source.upright))
        return np.stack(seen) if seen else np.zeros((0, *preprocess.shape), np.uint8)


def load_subject(
    workdir: str | pathlib.Path,
    *,
    result: Evaluation | None = None,
    best: bool = False,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str | None = None,
    progress: bool = False,
) -> Subject:
    """Reads a run or imported weights and evaluates it, unless its `result` is given.

    The other arguments are those of `evaluate`. Raises CheckpointError, ConfigError or DataError.
    """
    viewer = Viewer(workdir, best=best)
    if result is None:
        result = evaluate(
            workdir, dataset=dataset, data_dir=data_dir, split=split, best=best, progress=progress
        )
    stored = viewer.metadata.get("config")
    data = from_dict(stored).data if stored else Data()
    if result.dataset != data.name:
        data = Data(name=result.dataset)
    data.data_dir = data.data_dir if data_dir is None else data_dir
    return Subject(
        workdir=pathlib.Path(workdir),
        viewer=viewer,
        data=data,
        result=result,
        rows=read_metrics(workdir),
    )
