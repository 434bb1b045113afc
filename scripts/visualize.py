"""Shows what a network has learned and where it looks, as pictures with the numbers beside them.

python scripts/visualize.py cam cat.jpg --workdir weights/resnet50 --class top5
python scripts/visualize.py saliency cat.jpg --workdir weights/vgg16 --method guided
python scripts/visualize.py occlusion cat.jpg --workdir runs/resnet20 --size 8 --stride 2
python scripts/visualize.py deconv cat.jpg --workdir runs/alexnet --layer conv5
python scripts/visualize.py filters --workdir runs/alexnet
python scripts/visualize.py features cat.jpg --workdir runs/alexnet --layer conv2        # maps of a layer
python scripts/visualize.py features --workdir runs/alexnet --dataset cifar10 --save train.npz  # a table
python scripts/visualize.py neighbours cat.jpg --workdir runs/alexnet --table train.npz
python scripts/visualize.py embed --table test.npz --method tsne
python scripts/visualize.py probe --table train.npz --test test.npz

Network, preprocessing and classes come from the checkpoint. docs/interpret.md explains every method.
"""

import argparse
import pathlib
import sys
from collections.abc import Callable

from jaxcnn.errors import ConfigError, JaxcnnError
from jaxcnn.interpret import attribution, class_activation, pictures, tables
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.run import logs
from jaxcnn.run.progress import Progress

Command = Callable[[argparse.Namespace, Callable[[int, int], None]], list[pathlib.Path]]
CAMS = ("cam", *class_activation.METHODS)
SALIENCY = (*attribution.RULES, "smooth", "integrated")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="JPEG, PNG or WebP files")
    parser.add_argument("--workdir", help="a run's workdir, or a directory of imported weights")
    parser.add_argument("--best", action="store_true", help="the best checkpoint, not the newest")
    parser.add_argument(
        "--class", dest="classes", default="top1", metavar="NAME",
        help="a class, top1, top5, or label: the name of the image's folder (default top1)",
    )  # fmt: skip
    parser.add_argument("--layer", default="", metavar="PATH", help="default: the head's input")
    parser.add_argument(
        "--method", default="",
        help=f"cam: {', '.join(CAMS)}; saliency: {', '.join(SALIENCY)}; embed: pca, tsne",
    )  # fmt: skip
    parser.add_argument("--size", type=int, default=0, help="occlusion: side of the square, pixels")
    parser.add_argument("--stride", type=int, default=0, help="occlusion: its steps, pixels")
    parser.add_argument("--most", type=int, default=0, help="maps, channels or neighbours shown")
    parser.add_argument("--dataset", default="", help="features: the dataset (default: the run's)")
    parser.add_argument("--data-dir", default=None, help="features: where it lies")
    parser.add_argument("--split", default="", help="features: its split")
    parser.add_argument("--save", default="", metavar="FILE.npz", help="features: write a table")
    parser.add_argument("--table", default="", metavar="FILE.npz", help="a table of features")
    parser.add_argument(
        "--test", default="", metavar="FILE.npz", help="probe: the table to test on"
    )
    parser.add_argument("--out", default="pictures", help="folder (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Draws, prints what was written; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    try:
        for path in COMMANDS[args.command](args, shown(args.command)):
            print(path)
    except JaxcnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def shown(what: str) -> Callable[[int, int], None]:
    """A function that reports progress: (done, total)."""
    state: dict[str, Progress] = {}

    def tell(done: int, total: int) -> None:
        if "bar" not in state:
            state["bar"] = Progress(what, total, show=True).__enter__()
        state["bar"].reach(done)
        if done >= total:
            state.pop("bar").__exit__()

    return tell


def opened(args: argparse.Namespace) -> Viewer:
    """The network of --workdir."""
    if not args.workdir:
        raise ConfigError("--workdir is missing; give a run's workdir or imported weights")
    return Viewer(args.workdir, best=args.best)


def explain(function: Callable, *names: str, method: str = "") -> Command:
    """The command of a function of pictures.py that explains classes of images."""

    def run(args: argparse.Namespace, progress: Callable[[int, int], None]) -> list[pathlib.Path]:
        viewer = opened(args)
        seen = viewer.see(args.images)
        given = {name: getattr(args, name) for name in names}
        if method:
            given["method"] = args.method or method
        classes = pictures.chosen_classes(viewer, seen, args.classes)
        return function(viewer, seen, classes, pathlib.Path(args.out), progress=progress, **given)

    return run


def show(function: Callable) -> Command:
    """The command of a function of pictures.py that shows maps of a layer."""

    def run(args: argparse.Namespace, progress: Callable[[int, int], None]) -> list[pathlib.Path]:
        viewer = opened(args)
        most = {"most": args.most} if args.most else {}
        seen = viewer.see(args.images)
        return function(
            viewer, seen, pathlib.Path(args.out), layer=args.layer, progress=progress, **most
        )

    return run


def features(args: argparse.Namespace, progress: Callable[[int, int], None]) -> list[pathlib.Path]:
    """Maps of single images, or with --save the features of a whole split as a table."""
    if not args.save:
        return show(pictures.feature_maps)(args, progress)
    return [
        tables.make_table(
            args.workdir, args.save, dataset=args.dataset, data_dir=args.data_dir,
            split=args.split, layer=args.layer, progress=progress,
        )
    ]  # fmt: skip


COMMANDS: dict[str, Command] = {
    "filters": lambda args, progress: [tables.filters(opened(args), pathlib.Path(args.out))],
    "features": features,
    "neighbours": lambda args, progress: tables.neighbours(
        opened(args), args.images, args.table, pathlib.Path(args.out), most=args.most or 6
    ),
    "embed": lambda args, progress: [
        tables.embedding(args.table, pathlib.Path(args.out), method=args.method or "pca")
    ],
    "probe": lambda args, progress: tables.probe(args.table, args.test, pathlib.Path(args.out)),
    "cam": explain(pictures.class_maps, "layer", method="cam"),
    "deconv": show(pictures.projections),
    "occlusion": explain(pictures.occlusion_maps, "size", "stride", "layer"),
    "saliency": explain(pictures.saliency_maps, method="gradient"),
}


if __name__ == "__main__":
    sys.exit(main())
