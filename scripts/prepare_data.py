"""Turns images into a TFDS directory of ArrayRecord files, and measures colour statistics.

    python scripts/prepare_data.py --source ILSVRC_ARCHIVES --out DATA_DIR --name imagenet2012
    python scripts/prepare_data.py --source ROOT --out DATA_DIR --name flowers --short-side 256
    python scripts/prepare_data.py --source DATA_DIR/cifar10/3.0.2 --out NEW_DATA_DIR
    python scripts/prepare_data.py --statistics DATA_DIR --name imagenet2012 --image-size 224 --out STATISTICS_DIR

SOURCE is a folder ROOT/{train,val}/CLASS/*.jpg, a folder with the original archives of ILSVRC 2012, or a TFDS directory in TFRecord
format. The same command again goes on where an interrupted one stopped. Read the result with data.name=NAME, data.data_dir=DATA_DIR.
"""

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxcnn.config.schema import Data
from jaxcnn.data.prepare import statistics
from jaxcnn.data.prepare.entries import DEVKIT, TRAIN, VALIDATION, list_folder, list_ilsvrc
from jaxcnn.data.prepare.tfrecords import convert_tfrecords
from jaxcnn.data.prepare.write import IMAGENET, Options, Shard, miscounted, write_dataset
from jaxcnn.errors import DataError


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--source", type=Path, help="what to convert")
    what.add_argument(
        "--statistics",
        type=Path,
        metavar="DATA_DIR",
        help="measure the training set of --name in this data directory",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="TFDS data directory to write to (with --statistics: where to write)",
    )
    parser.add_argument("--name", default="", help="name of the dataset; default: that of SOURCE")
    parser.add_argument(
        "--version",
        default="",
        help="default: 1.0.0, imagenet2012: 5.1.0, a TFDS directory: its own",
    )
    parser.add_argument(
        "--short-side",
        type=int,
        default=0,
        help="shrink larger images to this short side; 0 copies files as they are",
    )
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality of shrunk images")
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    parser.add_argument(
        "--image-size",
        type=int,
        default=224,
        help="with --statistics: side of the centre crop that is measured",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=0,
        help="with --statistics: so many images, evenly spread; 0: all",
    )
    args = parser.parse_args(arguments)
    if (
        args.short_side < 0
        or not 1 <= args.quality <= 100
        or args.threads < 0
        or args.limit < 0
        or args.image_size < 1
    ):
        parser.error(
            "--short-side, --threads and --limit are at least 0, --quality lies in 1 to 100, --image-size is at least 1"
        )
    if args.name and not re.fullmatch(r"[a-z][a-z0-9_]*", args.name):
        parser.error(
            f"--name {args.name!r} is no dataset name; use small letters, digits and underscores"
        )
    return args


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each split on a terminal, a line for every twentieth elsewhere."""
    if not sys.stdout.isatty():
        said: dict[str, int] = {}

        def line(split: str, done: int, total: int) -> None:
            twentieth = 20 * done // max(1, total)
            if said.get(split) != twentieth:
                said[split] = twentieth
                print(f"{split}: {done:,} of {total:,} images", flush=True)

        yield line
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as bars:
        tasks: dict = {}

        def bar(split: str, done: int, total: int) -> None:
            if split not in tasks:
                tasks[split] = bars.add_task(split, total=total)
            bars.update(tasks[split], completed=done)

        yield bar


def convert(args: argparse.Namespace) -> tuple[Path, list[Shard]]:
    """Prepares args.source; returns the directory written and its files."""
    source, options = args.source, Options(args.short_side, args.quality, args.threads)
    if not source.is_dir():
        raise DataError(f"--source {source} is not a folder; see --help for what can be converted")
    with progress() as report:
        if (source / "features.json").is_file():
            place = (
                args.out
                / (args.name or source.absolute().parent.name)
                / (args.version or source.absolute().name)
            )
            return place, convert_tfrecords(source, place, options, report)
        archives = any((source / name).is_file() for name in (TRAIN, VALIDATION, DEVKIT))
        name = args.name or (
            "imagenet2012"
            if archives
            else re.sub(r"\W+", "_", source.absolute().name.lower()).strip("_") or "images"
        )
        place = args.out / name / (args.version or ("5.1.0" if name == "imagenet2012" else "1.0.0"))
        print(f"listing the images of {source}", flush=True)
        return place, write_dataset(
            list_ilsvrc(source) if archives else list_folder(source), place, options, report
        )


def measure(args: argparse.Namespace) -> None:
    data = Data(
        name=args.name or "imagenet2012", data_dir=str(args.statistics), threads=args.threads
    )
    with progress() as report:
        found = statistics.measure(
            data,
            args.image_size,
            args.limit,
            lambda done, total: report(data.train_split, done, total),
        )
    mean_image, pca = statistics.save(found, args.out)
    for name in ("mean", "std", "deviations", "axes"):
        print(f"{name}: {found[name].round(4).tolist()}")
    print(f"use them with --config.data.pixel_mean={mean_image} and --config.data.pca={pca}")


def main(arguments: list[str]) -> int:
    args = parse(arguments)
    try:
        if args.statistics:
            measure(args)
            return 0
        place, shards = convert(args)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for split in dict.fromkeys(shard.split for shard in shards):
        print(
            f"{split}: {sum(s.records for s in shards if s.split == split):,} images in {sum(s.split == split for s in shards)} files"
        )
    bad = [sentence for shard in shards for sentence in shard.bad]
    if bad:
        print(
            f"{len(bad)} images were left out because they are damaged; {place / 'bad_files.txt'} lists them, the first: {bad[0]}"
        )
    for sentence in miscounted(shards, IMAGENET if place.parent.name == "imagenet2012" else {}):
        print(f"warning: {sentence}", file=sys.stderr)
    print(
        f"prepared {place}; read it with --config.data.name={place.parent.name} --config.data.data_dir={args.out}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
