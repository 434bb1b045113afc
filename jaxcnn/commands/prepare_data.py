"""Turns images into a TFDS directory of ArrayRecord files, and measures colour statistics.

    jaxcnn prepare --source ARCHIVES --out DATA_DIR --name imagenet2012
    jaxcnn prepare --source ROOT --out DATA_DIR --name flowers --short-side 256
    jaxcnn prepare --source DATA_DIR/cifar10/3.0.2 --out NEW_DATA_DIR
    jaxcnn prepare --statistics DATA_DIR --name imagenet2012 --out STATISTICS

SOURCE is a folder ROOT/{train,val}/CLASS/*.jpg, a folder with the original archives of ILSVRC 2012,
or a TFDS directory in TFRecord format. The same command again goes on where an interrupted one
stopped. Read the result with data.name=NAME, data.data_dir=DATA_DIR.
"""

import argparse
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from jaxcnn.commands.ending import ended
from jaxcnn.config.schema import Data
from jaxcnn.data.prepare import statistics
from jaxcnn.data.prepare.convert import Options
from jaxcnn.data.prepare.entries import DEVKIT, TRAIN, VALIDATION, list_folder, list_ilsvrc
from jaxcnn.data.prepare.journal import Shard
from jaxcnn.data.prepare.metadata import IMAGENET, miscounted
from jaxcnn.data.prepare.tfrecords import convert_tfrecords
from jaxcnn.data.prepare.write import write_dataset
from jaxcnn.data.sources.tfds import AS_STORED
from jaxcnn.errors import DataError


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; leaves the process with one sentence where it cannot work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--source", type=Path, help="what to convert")
    what.add_argument(
        "--statistics",
        type=Path,
        metavar="DATA_DIR",
        help="measure the training set of --name in this data directory",
    )
    to = "TFDS data directory to write to (with --statistics: where to write)"
    add("--out", type=Path, required=True, help=to)
    add("--name", default="", help="name of the dataset; default: that of SOURCE")
    versions = "default: 1.0.0, imagenet2012: 5.1.0, a TFDS directory: its own"
    add("--version", default="", help=versions)
    side = "shrink larger images to this short side; 0 copies files as they are"
    add("--short-side", type=int, default=0, help=side)
    add("--quality", type=int, default=90, help="JPEG quality of shrunk images")
    add("--threads", type=int, default=0, help="0: one a core")
    size = "with --statistics: side of the centre crop that is measured"
    add("--image-size", type=int, default=224, help=size)
    limit = "with --statistics: so many images, evenly spread; 0: all"
    add("--limit", type=int, default=0, help=limit)
    args = parser.parse_args(arguments)
    if min(args.short_side, args.threads, args.limit) < 0:
        parser.error("--short-side, --threads and --limit are at least 0")
    if not 1 <= args.quality <= 100 or args.image_size < 1:
        parser.error("--quality lies in 1 to 100, --image-size is at least 1")
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
    from rich import progress as rich

    columns = rich.TextColumn("{task.description}"), rich.BarColumn()
    counts = rich.MofNCompleteColumn(), rich.TimeRemainingColumn()
    with rich.Progress(*columns, *counts) as bars:
        tasks: dict = {}

        def bar(split: str, done: int, total: int) -> None:
            if split not in tasks:
                tasks[split] = bars.add_task(split, total=total)
            bars.update(tasks[split], completed=done)

        yield bar


def convert(args: argparse.Namespace) -> tuple[Path, list[Shard]]:
    """Prepares args.source; returns the directory written and its files."""
    source: Path = args.source
    if not source.is_dir():
        raise DataError(f"--source {source} is not a folder; see --help for what can be converted")
    archives = any((source / name).is_file() for name in (TRAIN, VALIDATION, DEVKIT))
    prepared = (source / "features.json").is_file()
    name = args.name or default_name(source.absolute(), archives=archives, prepared=prepared)
    version = "5.1.0" if name == "imagenet2012" else "1.0.0"
    place = args.out / name / (args.version or (source.absolute().name if prepared else version))
    upright = name not in AS_STORED
    options = Options(args.short_side, args.quality, args.threads, upright)
    with progress() as report:
        if prepared:
            return place, convert_tfrecords(source, place, options, report)
        print(f"listing the images of {source}", flush=True)
        listing = list_ilsvrc(source) if archives else list_folder(source)
        return place, write_dataset(listing, place, options, report)


def default_name(source: Path, *, archives: bool, prepared: bool) -> str:
    """What the dataset is called unless --name says otherwise."""
    if prepared:  # NAME/VERSION
        return source.parent.name
    if archives:
        return "imagenet2012"
    return re.sub(r"\W+", "_", source.name.lower()).strip("_") or "images"


def measure(args: argparse.Namespace) -> None:
    """Measures a training set, writes and prints what was found."""
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


def main(arguments: list[str] | None = None) -> int:
    """Prepares or measures; returns the exit code."""
    args = parse(arguments)
    return ended(lambda: measure(args) if args.statistics else prepare(args))


def prepare(args: argparse.Namespace) -> None:
    """Writes the dataset, and prints what it holds and how it is read."""
    place, shards = convert(args)
    say(place, shards)
    print(
        f"prepared {place}; read it with --config.data.name={place.parent.name} "
        f"--config.data.data_dir={args.out}"
    )


def say(place: Path, shards: list[Shard]) -> None:
    """How many images became how many files, which were left out, and which seem to be missing."""
    for split in dict.fromkeys(shard.split for shard in shards):
        records = [shard.records for shard in shards if shard.split == split]
        print(f"{split}: {sum(records):,} images in {len(records)} files")
    bad = [sentence for shard in shards for sentence in shard.bad]
    if bad:
        print(
            f"{len(bad)} images were left out because they are damaged; "
            f"{place / 'bad_files.txt'} lists them, the first: {bad[0]}"
        )
    for sentence in miscounted(shards, IMAGENET if place.parent.name == "imagenet2012" else {}):
        print(f"warning: {sentence}", file=sys.stderr)
