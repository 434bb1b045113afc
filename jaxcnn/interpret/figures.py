"""The figures of the papers, by name, made from any network that can give them."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn import layers
from jaxcnn.data.images.inputs import read_file
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.draw.predictions import most_probable
from jaxcnn.errors import ConfigError
from jaxcnn.interpret import segmentation, tables
from jaxcnn.interpret.pictures.features import first_maps
from jaxcnn.interpret.pictures.heatmap import heatmaps
from jaxcnn.interpret.pictures.kernels import filters
from jaxcnn.interpret.pictures.maps import cams, class_maps
from jaxcnn.interpret.pictures.occlusion import occlusion_maps
from jaxcnn.interpret.pictures.patches import strongest_patches
from jaxcnn.interpret.pictures.task import Progress, Task
from jaxcnn.interpret.viewer import Viewer

LOOKED = 512  # images of a split among which ZFNet's strongest patches are looked for


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a figure is made from."""

    viewer: Viewer
    workdir: str
    images: Sequence[str]
    out: pathlib.Path
    progress: Progress = None
    layer: str = ""
    classes: str = ""  # as Task.classes takes them; "": the figure's own choice
    table: str = ""  # features of training images
    other: str = ""  # a second workdir
    dataset: str = ""  # of images to look through; "": the run's
    data_dir: str | None = None
    split: str = ""

    def task(self) -> Task:
        """The images as a task; raises DataError where there are none."""
        return Task(self.viewer, self.viewer.see(self.images), self.out, self.progress)


def draw(name: str, wanted: Wanted) -> list[pathlib.Path]:
    """Makes the figure `name`; raises ConfigError, with the reason, where it cannot be made."""
    if name not in FIGURES:
        raise ConfigError(f"there is no figure {name!r}; there are {', '.join(FIGURES)}")
    return FIGURES[name](wanted)


def _alexnet3(wanted: Wanted) -> list[pathlib.Path]:
    return [filters(wanted.viewer, wanted.out, name="alexnet3")]


def _alexnet4(wanted: Wanted) -> list[pathlib.Path]:
    """Left: the five most probable classes. Right: the nearest training images of a table."""
    if not wanted.table:
        raise ConfigError(
            "alexnet4 shows the nearest training images and needs --table; make one with "
            "jaxcnn visualize features --save FILE.npz --split train --layer fc7"
        )
    viewer, task = wanted.viewer, wanted.task()
    paths = task.seen.paths
    true = [task.true_class(row) for row in range(len(paths))]
    left = most_probable(
        wanted.out / "alexnet4_left.png", task.seen.originals,
        viewer.probabilities(task.seen.inputs), class_names=viewer.class_names,
        labels=np.asarray([-1 if number is None else number for number in true]),
        captions=[pathlib.Path(path).name for path in paths],
    )  # fmt: skip
    return [left, *tables.neighbours(viewer, wanted.images, wanted.table, wanted.out)]


def _zfnet2(wanted: Wanted) -> list[pathlib.Path]:
    """The images are those that are given, or the first of the run's evaluation split."""
    if wanted.images:
        views = wanted.task().seen.views
    else:
        views = np.concatenate(list(_views(wanted)))[:LOOKED]
    path = strongest_patches(
        wanted.viewer, views, wanted.out, layer=wanted.layer, progress=wanted.progress
    )
    return [path]


def _views(wanted: Wanted) -> Iterator[np.ndarray]:
    """Batches of images of a split, as the network sees them, uint8 [b, S, S, C]."""
    data, split = tables.data_of(wanted.workdir, wanted.dataset, wanted.data_dir, wanted.split)
    seen, preprocess = 0, wanted.viewer.preprocess
    for batch in batches(data, split, seed=0, preprocess=preprocess, train=False):
        images = batch["image"][batch["mask"] > 0]
        seen += len(images)
        yield images
        if seen >= LOOKED:
            return


def _zfnet6(wanted: Wanted) -> list[pathlib.Path]:
    if not wanted.other:
        raise ConfigError("zfnet6 compares the first kernels of two runs; give the second: --other")
    pairs = ("zfnet6_first", wanted.viewer), ("zfnet6_second", Viewer(wanted.other))
    return [filters(viewer, wanted.out, name=name) for name, viewer in pairs]


def _zfnet7(wanted: Wanted) -> list[pathlib.Path]:
    task = wanted.task()
    return occlusion_maps(task, task.classes(wanted.classes or "top1"), layer=wanted.layer)


def _vgg_maps(wanted: Wanted) -> list[pathlib.Path]:
    shown = _first_activations(wanted.viewer)
    if not shown:
        raise ConfigError("this network has no activations with positions, so no maps to show")
    return first_maps(wanted.task(), shown)


def _first_activations(viewer: Viewer) -> list[str]:
    """Paths of the first activation at each size of map, as at the beginning of VGG's blocks."""
    first: dict[tuple[int, ...], str] = {}

    def record(
        method: Any, args: tuple, kwargs: dict, context: nn.module.InterceptorContext
    ) -> Any:
        output = method(*args, **kwargs)
        if isinstance(context.module, layers.Activation) and output.ndim == 4:
            size = tuple(output.shape[1:3])
            if min(size) > 1:
                first.setdefault(size, "/".join(context.module.path))
        return output

    images = jax.ShapeDtypeStruct((1, *viewer.shape), jnp.float32)
    with nn.intercept_methods(record):
        jax.eval_shape(viewer.model.apply, viewer.variables, images)
    return list(first.values())


def _nin4(wanted: Wanted) -> list[pathlib.Path]:
    return class_maps(wanted.task())


def _cam4(wanted: Wanted) -> list[pathlib.Path]:
    task = wanted.task()
    return cams(task, task.classes(wanted.classes or "top5"), method="cam")


def _fcn2(wanted: Wanted) -> list[pathlib.Path]:
    task = wanted.task()
    return heatmaps(task, task.classes(wanted.classes or "top1"))


def _fcn4(wanted: Wanted) -> list[pathlib.Path]:
    """Segmentations by one network, or by several side by side, and the mask if there is one."""
    others = {text: Viewer(text) for text in wanted.other.split(",") if text}
    networks = {_title(wanted.viewer): segmentation.network_of(wanted.viewer)}
    for workdir, viewer in others.items():
        title = _title(viewer)
        networks[title if title not in networks else workdir] = segmentation.network_of(viewer)
    written = []
    for image in map(pathlib.Path, wanted.images):
        encoded, path = read_file(image), wanted.out / f"{image.stem}_fcn4.png"
        names, truth = wanted.viewer.class_names, segmentation.mask_beside(image)
        written.append(segmentation.figure4(networks, names, encoded, path, truth=truth))
    if not written:
        raise ConfigError("fcn4 shows images and needs --images, such as --images cat.jpg")
    return written


def _title(viewer: Viewer) -> str:
    return viewer.metadata["model"]


FIGURES: dict[str, Callable[[Wanted], list[pathlib.Path]]] = {
    "alexnet3": _alexnet3,
    "alexnet4": _alexnet4,
    "zfnet2": _zfnet2,
    "zfnet6": _zfnet6,
    "zfnet7": _zfnet7,
    "vgg_maps": _vgg_maps,
    "nin4": _nin4,
    "cam4": _cam4,
    "fcn2": _fcn2,
    "fcn4": _fcn4,
}
