"""Shows what a network has learned and where it looks, as pictures with the numbers beside them.

    jaxcnn visualize cam cat.jpg --workdir weights/resnet50 --class top5
    jaxcnn visualize saliency cat.jpg --workdir weights/vgg16 --method guided
    jaxcnn visualize features --workdir runs/alexnet --layer fc7 --split train --save a.npz
    jaxcnn visualize figure zfnet7 --workdir runs/zfnet --images cat.jpg

Network, preprocessing and classes come from the checkpoint. `COMMAND --help` lists a command's
flags, and docs/interpret.md explains every method.
"""

import argparse
import pathlib
from collections.abc import Callable

from jaxcnn.commands.ending import ended
from jaxcnn.draw.figure import available
from jaxcnn.errors import ConfigError
from jaxcnn.interpret import class_activation, figures, segmentation, tables
from jaxcnn.interpret.pictures import features as feature_pictures
from jaxcnn.interpret.pictures import heatmap, kernels, maps, occlusion, saliency, sanity
from jaxcnn.interpret.pictures.task import Task
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.interpret.views import PROTOCOLS
from jaxcnn.run import logs
from jaxcnn.run.progress import Progress

Paths = list[pathlib.Path]
Tell = Callable[[int, int], None]
CAMS = ("cam", *class_activation.METHODS)
CLASSES = "a class, top1, top5, or label: the class that the image's folder is named after"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (function, flags) in COMMANDS.items():
        summary = (function.__doc__ or "").strip().replace("%", "%%")
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=function)
        for flag in (*flags, "--out"):
            command.add_argument(flag.strip("[]"), **FLAGS[flag])
    return parser.parse_args(argv)


FLAGS: dict[str, dict] = {
    "images": {"nargs": "+", "metavar": "IMAGE", "help": "JPEG, PNG or WebP files"},
    "[images]": {"nargs": "*", "metavar": "IMAGE", "help": "JPEG, PNG or WebP files"},
    "name": {"metavar": "NAME", "help": ", ".join(figures.FIGURES)},
    "--images": {"nargs": "+", "default": [], "metavar": "IMAGE", "help": "image files"},
    "--workdir": {"required": True, "help": "a run's workdir, or imported weights"},
    "--best": {"action": "store_true", "help": "the best checkpoint instead of the newest"},
    "--class": {"dest": "classes", "default": "", "metavar": "NAME", "help": CLASSES},
    "--layer": {"default": "", "metavar": "PATH", "help": "default: the map that the head reads"},
    "--method": {"default": "", "help": "the method; a wrong one lists those there are"},
    "--views": {"default": "center", "help": f"averaged over: {', '.join(PROTOCOLS)}"},
    "--times-input": {"action": "store_true", "help": "multiply by the image"},
    "--size": {"type": int, "default": 0, "help": "of the square or of the image, in pixels"},
    "--stride": {"type": int, "default": 0, "help": "steps of the square, in pixels"},
    "--most": {"type": int, "default": 0, "help": "how many maps, channels or neighbours"},
    "--dataset": {"default": "", "help": "default: the run's"},
    "--data-dir": {"default": None, "help": "where the dataset lies"},
    "--split": {"default": "", "help": "of the dataset; default: the one for evaluation"},
    "--save": {"default": "", "metavar": "FILE.npz", "help": "write the features of a split"},
    "--table": {"default": "", "metavar": "FILE.npz", "help": "what features --save wrote"},
    "--test": {"default": "", "metavar": "FILE.npz", "help": "the table to test on"},
    "--other": {"default": "", "help": "zfnet6: the second run; fcn4: others, with commas"},
    "--out": {"default": "pictures", "help": "folder (default: %(default)s)"},
}
NETWORK = ("--workdir", "--best")
DATA = ("--dataset", "--data-dir", "--split")


def main(argv: list[str] | None = None) -> int:
    """Draws, prints what was written; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    return ended(lambda: draw(args))


def draw(args: argparse.Namespace) -> None:
    """Draws as `args` say, and prints the paths of the pictures."""
    if not available():
        raise ConfigError("pictures need matplotlib: pip install matplotlib")
    for path in args.run(args, shown(args.command)):
        print(path)


def shown(what: str) -> Tell:
    """A function that reports progress, (done, total), of work that is not done at once."""
    state: dict[str, Progress] = {}

    def tell(done: int, total: int) -> None:
        if "bar" not in state:
            if done >= total:
                return
            state["bar"] = Progress(what, total, show=True, unit="steps").__enter__()
        state["bar"].reach(done)
        if done >= total:
            state.pop("bar").__exit__()

    return tell


def _task(args: argparse.Namespace, tell: Tell) -> Task:
    viewer = Viewer(args.workdir, best=args.best)
    return Task(viewer, viewer.see(args.images), pathlib.Path(args.out), tell)


def _most(args: argparse.Namespace) -> dict[str, int]:
    if args.most < 0:
        raise ConfigError(f"--most {args.most} shows nothing; give 1 or more")
    return {"most": args.most} if args.most else {}


def filters(args: argparse.Namespace, tell: Tell) -> Paths:
    """The kernels of the first layer."""
    return [kernels.filters(Viewer(args.workdir, best=args.best), pathlib.Path(args.out))]


def features(args: argparse.Namespace, tell: Tell) -> Paths:
    """Feature maps of images, or with --save a table of the features of a whole split."""
    if args.save:
        table = tables.make_table(
            args.workdir, args.save, dataset=args.dataset, data_dir=args.data_dir,
            split=args.split, layer=args.layer, best=args.best, progress=tell,
        )  # fmt: skip
        return [table]
    return feature_pictures.feature_maps(_task(args, tell), layer=args.layer, **_most(args))


def neighbours(args: argparse.Namespace, tell: Tell) -> Paths:
    """The images of a table that are nearest to each image."""
    viewer, out = Viewer(args.workdir, best=args.best), pathlib.Path(args.out)
    return tables.neighbours(viewer, args.images, args.table, out, **_most(args))


def embed(args: argparse.Namespace, tell: Tell) -> Paths:
    """A table's features in the plane, by pca or tsne."""
    return [tables.embedding(args.table, pathlib.Path(args.out), method=args.method or "pca")]


def probe(args: argparse.Namespace, tell: Tell) -> Paths:
    """Accuracy of a linear classifier and of nearest neighbours on features."""
    return tables.probe(args.table, args.test, pathlib.Path(args.out))


def cam(args: argparse.Namespace, tell: Tell) -> Paths:
    """Class activation maps and their relatives."""
    task, method = _task(args, tell), args.method or "cam"
    classes = task.classes(args.classes or "top1")
    return maps.cams(task, classes, method=method, layer=args.layer, views=args.views)


def classmaps(args: argparse.Namespace, tell: Tell) -> Paths:
    """Class maps: the top 10 % of each class's activations, the true class framed."""
    task = _task(args, tell)
    classes = task.classes(args.classes) if args.classes else None
    return maps.class_maps(task, classes, **_most(args))


def deconv(args: argparse.Namespace, tell: Tell) -> Paths:
    """The strongest channels of a layer, projected back to the pixels."""
    return feature_pictures.projections(_task(args, tell), layer=args.layer, **_most(args))


def occlude(args: argparse.Namespace, tell: Tell) -> Paths:
    """What the network says while a square hides one part of the image after another."""
    task = _task(args, tell)
    classes = task.classes(args.classes or "top1")
    return occlusion.occlusion_maps(
        task, classes, size=args.size, stride=args.stride, layer=args.layer
    )


def attribute(args: argparse.Namespace, tell: Tell) -> Paths:
    """What each pixel contributes to the score of a class."""
    task, method = _task(args, tell), args.method or "gradient"
    classes = task.classes(args.classes or "top1")
    return saliency.saliency_maps(
        task, classes, method=method, times_input=args.times_input, views=args.views
    )


def slide(args: argparse.Namespace, tell: Tell) -> Paths:
    """The classifier slid over the whole image: a map of probabilities."""
    task = _task(args, tell)
    return heatmap.heatmaps(task, task.classes(args.classes or "top1"), size=args.size)


def check(args: argparse.Namespace, tell: Tell) -> Paths:
    """Maps of a network whose layers are drawn anew, with rank correlations."""
    task = _task(args, tell)
    return sanity.sanity_checks(task, task.classes(args.classes or "top1"), method=args.method)


def segment(args: argparse.Namespace, tell: Tell) -> Paths:
    """The class of every pixel of images, by a network of configs/fcn.py."""
    viewer = Viewer(args.workdir, best=args.best)
    names = viewer.class_names
    return segmentation.segment_images(
        segmentation.network_of(viewer), names, args.images, args.out, tell
    )


def figure(args: argparse.Namespace, tell: Tell) -> Paths:
    """A figure of a paper."""
    names = ("workdir", "images", "layer", "classes", "table", "other", *map(_field, DATA))
    given = {name: getattr(args, name) for name in names}
    viewer = Viewer(args.workdir, best=args.best)
    wanted = figures.Wanted(viewer=viewer, out=pathlib.Path(args.out), progress=tell, **given)
    return figures.draw(args.name, wanted)


def _field(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


EXPLAIN = ("images", *NETWORK, "--class")
COMMANDS: dict[str, tuple[Callable[[argparse.Namespace, Tell], Paths], tuple[str, ...]]] = {
    "filters": (filters, NETWORK),
    "features": (features, ("[images]", *NETWORK, "--layer", "--most", "--save", *DATA)),
    "neighbours": (neighbours, ("images", *NETWORK, "--table", "--most")),
    "embed": (embed, ("--table", "--method")),
    "probe": (probe, ("--table", "--test")),
    "cam": (cam, (*EXPLAIN, "--method", "--layer", "--views")),
    "classmaps": (classmaps, (*EXPLAIN, "--most")),
    "deconv": (deconv, ("images", *NETWORK, "--layer", "--most")),
    "occlusion": (occlude, (*EXPLAIN, "--layer", "--size", "--stride")),
    "saliency": (attribute, (*EXPLAIN, "--method", "--times-input", "--views")),
    "heatmap": (slide, (*EXPLAIN, "--size")),
    "segment": (segment, ("images", *NETWORK)),
    "sanity": (check, (*EXPLAIN, "--method")),
    "figure": (
        figure,
        ("name", "--images", *NETWORK, "--class", "--layer", "--table", "--other", *DATA),
    ),
}
