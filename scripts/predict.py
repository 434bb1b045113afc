"""Says and draws what a network sees in images: the five most probable classes of each, as in AlexNet's figure 4.

python scripts/predict.py cat.jpg dog.jpg --workdir weights/resnet50 [--out predictions.png]
"""

import argparse
import pathlib
import sys

import numpy as np
from rich.console import Console

from jaxcnn.data.images.views import to_pixels
from jaxcnn.draw import plots
from jaxcnn.errors import CheckpointError, ConfigError, DataError
from jaxcnn.evaluate import protocols
from jaxcnn.evaluate.classify import UNKNOWN, classify
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.run import logs
from jaxcnn.weights import labels

DRAWN = 40  # images in the picture
FORMATS = (".png", ".jpg", ".pdf", ".svg")
BAR = 30  # characters of a probability of 1


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="JPEG, PNG or WebP; in a folder named after its class, the right answer is marked",
    )
    parser.add_argument(
        "--workdir", required=True, help="a run's workdir, or a directory of imported weights"
    )
    parser.add_argument(
        "--protocol",
        default="center",
        help=f"{protocols.NAMES}; NAME@Q,Q sets the short sides in pixels",
    )
    parser.add_argument(
        "--best",
        action="store_true",
        help="the checkpoint with the best evaluation instead of the newest",
    )
    parser.add_argument("--top", type=int, default=5, help="classes shown (default: %(default)s)")
    parser.add_argument(
        "--out", default="predictions.png", help="the picture (default: %(default)s)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints and draws; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    try:
        if args.top < 1:
            raise ConfigError(f"--top {args.top} shows no class; give 1 or more")
        if pathlib.Path(args.out).suffix not in FORMATS:
            raise ConfigError(
                f"--out {args.out} is no picture that can be drawn; its name must end in {', '.join(FORMATS)}"
            )
        found = classify(args.workdir, args.images, protocol=args.protocol, best=args.best)
        names = labels.readable(found.class_names)
        say(found, names, args.top)
        if plots.available():
            images = [
                to_pixels(pathlib.Path(path).read_bytes(), 3, path) for path in args.images[:DRAWN]
            ]
            drawn = plots.most_probable(
                pathlib.Path(args.out), images, found.probabilities, names, found.labels, args.top
            )
            print(f"{drawn}" + (f" (the first {DRAWN} images)" if len(args.images) > DRAWN else ""))
    except (CheckpointError, ConfigError, DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def say(found: Predictions, names: list[str], top: int) -> None:
    """The most probable classes of each image with bars; a tick marks the right one where it is known."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for key, label, row in zip(found.keys, found.labels, found.probabilities, strict=True):
        console.print(f"{key}" + (f"  (is {names[label]})" if label != UNKNOWN else ""))
        for k in np.argsort(-row, kind="stable")[:top]:
            tick = "✓" if k == label else " "
            console.print(
                f"  {row[k]:7.2%} {tick} {names[k].split(',')[0]:<28} {'█' * round(BAR * float(row[k]))}"
            )


if __name__ == "__main__":
    sys.exit(main())
