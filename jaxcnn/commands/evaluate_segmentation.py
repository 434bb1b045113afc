"""Evaluates a segmentation run: pixel accuracy, mean accuracy, mean IU, frequency-weighted IU.

    jaxcnn evaluate-segmentation --workdir runs/fcn8s [--bands 1 2 4] [--json]

The measures are of all pixels that are not void, and of those within so many pixels of a boundary
between classes. Exit codes: 0 done, 1 failed, 2 a flag or data that cannot work.
"""

import argparse
import json

from jaxcnn.commands.ending import ended
from jaxcnn.evaluate.segmentation import BANDS, SegmentationResult, evaluate_segmentation
from jaxcnn.run import logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", required=True, help="a run of configs/fcn.py")
    parser.add_argument("--dataset", help="default: the run's")
    parser.add_argument("--data-dir", help="default: where the run found its data")
    parser.add_argument("--split", help="default: the run's evaluation split")
    parser.add_argument("--best", action="store_true", help="the best checkpoint, not the newest")
    parser.add_argument(
        "--bands", type=int, nargs="*", default=list(BANDS), help="pixels (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints the measures; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    return ended(lambda: run(args))


def run(args: argparse.Namespace) -> None:
    """Evaluates as `args` say, and prints what came out."""
    result = evaluate_segmentation(
        args.workdir,
        dataset=args.dataset,
        data_dir=args.data_dir,
        split=args.split,
        best=args.best,
        bands=[band for band in args.bands if band > 0],
    )
    print(as_json(result) if args.json else as_text(result))


def as_json(result: SegmentationResult) -> str:
    """All numbers as one JSON object."""
    return json.dumps(
        {
            "model": result.model,
            "dataset": result.dataset,
            "split": result.split,
            "step": result.step,
            "count": result.count,
            "corrupt": result.corrupt,
            **result.measures._asdict(),
            "bands": {band: found._asdict() for band, found in result.bands.items()},
            "confusion": result.confusion.tolist(),
        }
    )


def as_text(result: SegmentationResult) -> str:
    """A small table, in percent."""
    pixels = int(result.confusion.sum())
    rows = [("all pixels", result.measures)]
    rows += [(f"within {band} px of a boundary", found) for band, found in result.bands.items()]
    head = f"{'':26}{'pixels':>8}{'mean acc':>10}{'mean IU':>9}{'f.w. IU':>9}"
    lines = [
        f"{result.model}, step {result.step}: {result.dataset} {result.split}, "
        f"{result.count:,} images, {pixels:,} pixels",
        head,
    ]
    for name, found in rows:
        numbers = zip(found, (8, 10, 9, 9), strict=True)
        lines.append(
            f"{name:26}" + "".join(f"{100 * share:{width}.2f}" for share, width in numbers)
        )
    if result.corrupt:
        lines.append(f"{result.corrupt} images did not decode and were left out")
    return "\n".join(lines)
