"""What the command line makes of tables of features."""

import json
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from jaxcnn.checkpoint.variables import load_variables
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.values import from_dict
from jaxcnn.data.sources.open import default_eval_split, open_source
from jaxcnn.draw.overlay import Panel, rows_of_panels, save
from jaxcnn.errors import ConfigError
from jaxcnn.interpret.activations import capture
from jaxcnn.interpret.pictures.task import save_numbers
from jaxcnn.interpret.retrieval import Table, embed, features, knn_accuracy, linear_probe, nearest
from jaxcnn.interpret.viewer import Viewer

SHOWN = 4000  # points of an embedding that can be told apart


def data_of(workdir: str, dataset: str, data_dir: str | None, split: str) -> tuple[Data, str]:
    """(the dataset's settings, its split): those of the run in `workdir` but for what is given."""
    _, metadata = load_variables(workdir)
    stored = metadata.get("config")
    if not stored and not dataset:
        raise ConfigError("these weights come without a dataset; name one with --dataset")
    data = (from_dict(stored) if stored else Config()).data
    if dataset and dataset != data.name:
        data = Data(name=dataset)
    data.data_dir = data.data_dir if data_dir is None else data_dir
    if not split:
        split = data.eval_split or default_eval_split(open_source(data, data.train_split))
    return data, split


def make_table(
    workdir: str,
    path: str,
    *,
    dataset: str = "",
    data_dir: str | None = None,
    split: str = "",
    layer: str = "",
    best: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> pathlib.Path:
    """Writes the features of a whole split as a table and returns its path."""
    data, split = data_of(workdir, dataset, data_dir, split)
    table = features(workdir, data, split, layer=layer, best=best, progress=progress)
    return table.save(path)


def opened(path: str, flag: str = "--table") -> Table:
    """The table `path`; raises ConfigError where none was named."""
    if not path:
        raise ConfigError(f"{flag} is missing; jaxcnn visualize features --save writes tables")
    return Table.load(path)


def neighbours(
    viewer: Viewer, images: Sequence[str], table: str, out: pathlib.Path, *, most: int = 6
) -> list[pathlib.Path]:
    """The rows of a table that are nearest to each image, with distances (AlexNet's figure 4)."""
    known, seen = opened(table), viewer.see(images)
    maps = capture(viewer.model, viewer.variables, seen.inputs, [known.layer])[known.layer]
    queries = np.asarray(maps, np.float32)
    queries = queries.mean(axis=tuple(range(1, queries.ndim - 1)))  # [B, D]
    found = nearest(known.features, queries, most)
    rows = []
    for row, original in enumerate(seen.originals):
        panels = [Panel(original, f"query: {pathlib.Path(seen.paths[row]).name}")]
        for index, distance in zip(found.index[row], found.distance[row], strict=True):
            name = known.class_names[known.labels[index]].split(",")[0]
            panels.append(Panel(known.image(int(index)), f"{name}\ndistance {distance:.3g}"))
        rows.append(panels)
    path = rows_of_panels(rows, out / "neighbours.png", title=f"nearest in {known.layer}")
    keys = known.keys[found.index]
    save_numbers(path, index=found.index, distance=found.distance, keys=keys)
    return [path]


def embedding(table: str, out: pathlib.Path, *, method: str) -> pathlib.Path:
    """A table's features in the plane, coloured by class."""
    from matplotlib.figure import Figure

    known = opened(table)
    rows = np.linspace(0, len(known.labels) - 1, min(SHOWN, len(known.labels))).astype(int)
    points = embed(np.asarray(known.features[rows]), method)
    figure = Figure(figsize=(7, 6), layout="constrained")
    ax = figure.subplots()
    labels = known.labels[rows]
    dots = ax.scatter(*points.T, c=labels, cmap="tab10" if labels.max() < 10 else "turbo", s=5)
    ax.set_title(f"{known.layer} of {known.dataset} {known.split}, {method}, n = {len(rows)}")
    ax.set_xticks([])
    ax.set_yticks([])
    if len(known.class_names) <= 10:
        names = [name.split(",")[0] for name in known.class_names]
        handles = dots.legend_elements(num=list(range(len(names))))[0]
        ax.legend(handles, names[: len(handles)], fontsize=7)
    path = save(figure, out / f"embedding_{method}.png")
    save_numbers(path, points=points, labels=labels, keys=known.keys[rows])
    return path


def probe(train: str, test: str, out: pathlib.Path) -> list[pathlib.Path]:
    """Accuracy of a linear probe and of nearest neighbours, printed and written as JSON."""
    known, asked = opened(train), opened(test, "--test")
    if known.layer != asked.layer or known.class_names != asked.class_names:
        raise ConfigError(
            f"{train} and {test} are of different layers or classes ({known.layer}, {asked.layer})"
        )
    result = {
        "layer": known.layer,
        "train": len(known.labels),
        "test": len(asked.labels),
        "linear_probe": linear_probe(known, asked),
        "knn_20": knn_accuracy(known, asked, 20),
    }
    print(json.dumps(result))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "probe.json"
    path.write_text(json.dumps(result, indent=1))
    return [path]
