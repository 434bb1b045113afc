"""Writes a report of a run, or a comparison of two, as one page that is read offline.

    jaxcnn report --workdir runs/digits --out report.html
    jaxcnn report --workdir runs/lenet,runs/lenet5 --out comparison.html
    jaxcnn report --workdir weights/vgg16 --dataset imagenet2012 \\
        --data-dir ~/tensorflow_datasets --out vgg16.html

docs/pages.md says what each part shows. Exit codes: 0 done, 1 failed, 2 a flag or data that cannot
work.
"""

import argparse

from jaxcnn.commands.ending import ended
from jaxcnn.errors import ConfigError
from jaxcnn.pages import report
from jaxcnn.run import logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--workdir", required=True, help="a run or imported weights; two with a comma are compared")
    add("--out", default=report.NAME, help="the page (default: %(default)s)")
    add("--best", action="store_true", help="the best checkpoint instead of the newest")
    add("--dataset", help="default: the run's")
    add("--data-dir", help="default: where the run found its data")
    add("--split", help="default: the run's evaluation split")
    add(
        "--train-images",
        type=int,
        default=report.TRAIN_IMAGES,
        metavar="N",
        help="look for near-duplicates in training sets of at most N images (default: %(default)s)",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Writes the page and prints its path; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    return ended(lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Writes the page, and prints its path."""
    if not report.available():
        raise ConfigError("a report needs jinja2 and matplotlib: pip install jinja2 matplotlib")
    path = report.write_report(
        [text for text in args.workdir.split(",") if text],
        args.out,
        best=args.best,
        dataset=args.dataset,
        data_dir=args.data_dir,
        split=args.split,
        train_images=args.train_images,
        progress=True,
    )
    print(path)
