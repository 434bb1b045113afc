"""Says and draws what a network sees in images: the five most probable classes of each.

    jaxcnn predict cat.jpg dog.jpg --workdir weights/resnet50 [--out predictions.png]

The picture is that of AlexNet's figure 4. In a folder named after its class, an image has its right
answer marked. Exit codes: 0 done, 1 failed, 2 a flag or an image that cannot work.
"""

import argparse
import pathlib

import numpy as np
from rich.console import Console

from jaxcnn.commands.ending import ended
from jaxcnn.data.images.views import to_pixels
from jaxcnn.draw.figure import available
from jaxcnn.draw.predictions import most_probable
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate import protocols
from jaxcnn.evaluate.classify import UNKNOWN, classify
from jaxcnn.evaluate.predictions import Predictions
from jaxcnn.run import logs
from jaxcnn.weights.labels import readable

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
    return ended(lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Classifies, says and draws as `args` ask; raises a JaxcnnError for what cannot work."""
    if args.top < 1:
        raise ConfigError(f"--top {args.top} shows no class; give 1 or more")
    out = pathlib.Path(args.out)
    if out.suffix not in FORMATS:
        raise ConfigError(
            f"--out {out} is no picture that can be drawn; its name must end in "
            f"{', '.join(FORMATS)}"
        )
    predictions = classify(args.workdir, args.images, protocol=args.protocol, best=args.best)
    names = readable(predictions.class_names)
    say(predictions, names, args.top)
    if not available():
        return
    paths = args.images[:DRAWN]
    drawn = most_probable(
        out,
        [to_pixels(pathlib.Path(path).read_bytes(), 3, path) for path in paths],
        predictions.probabilities,
        class_names=names,
        labels=predictions.labels,
        captions=[pathlib.Path(path).name for path in paths],
        top=args.top,
    )
    left_out = f" (the first {DRAWN} images)" if len(args.images) > DRAWN else ""
    print(f"{drawn}{left_out}")


def say(predictions: Predictions, names: list[str], top: int) -> None:
    """The most probable classes of each image with bars; a tick marks the right one if known."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    rows = zip(predictions.keys, predictions.labels, predictions.probabilities, strict=True)
    for key, label, probabilities in rows:
        known = "" if label == UNKNOWN else f"  (is {names[label]})"
        console.print(f"{key}{known}")
        for k in np.argsort(-probabilities, kind="stable")[:top]:
            tick = "✓" if k == label else " "
            bar = "█" * round(BAR * float(probabilities[k]))
            name = names[k].split(",")[0]
            console.print(f"  {probabilities[k]:7.2%} {tick} {name:<28} {bar}")
