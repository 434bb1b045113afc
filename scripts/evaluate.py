"""Evaluates a trained run, imported weights, or an ensemble of several, by one of the papers' protocols.

python scripts/evaluate.py --workdir runs/digits [--json]
python scripts/evaluate.py --workdir weights/vgg16 --protocol dense@384 --dataset imagenet2012 --data-dir ~/tensorflow_datasets
python scripts/evaluate.py --workdir runs/resnet50,runs/vgg16,resnet152.npz --protocol ten_crop --predictions ensemble.npz
"""

import argparse
import pathlib
import re
import sys

from jaxcnn.errors import CheckpointError, ConfigError, DataError
from jaxcnn.evaluate import predictions, protocols, report
from jaxcnn.evaluate.evaluation import evaluate
from jaxcnn.run import logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--workdir",
        required=True,
        help="a run's workdir, imported weights or a predictions .npz; several with commas: an ensemble",
    )
    parser.add_argument(
        "--protocol",
        default="center",
        help=f"{protocols.NAMES}; NAME@Q,Q sets the short sides in pixels",
    )
    parser.add_argument("--dataset", help="default: the first run's")
    parser.add_argument(
        "--best",
        action="store_true",
        help="the checkpoint with the best evaluation instead of the newest",
    )
    parser.add_argument("--split", help="default: the first run's evaluation split")
    parser.add_argument("--data-dir", help="default: where the first run found its data")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=0,
        help="images of the network's size on the devices at a time; default: the run's",
    )
    parser.add_argument(
        "--predictions",
        metavar="FILE.npz",
        help="save probabilities, labels and record keys; ensembles take such files",
    )
    parser.add_argument(
        "--table",
        help="Markdown table of results to which a row is added; default: evaluations.md in the first workdir",
    )
    parser.add_argument(
        "--pictures", metavar="DIR", help="default: evaluation/SPLIT_PROTOCOL in the first workdir"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints the result, adds it to the table, draws the pictures; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    members = [text for text in args.workdir.split(",") if text]
    try:
        if args.predictions:
            predictions.check_writable(args.predictions)  # said before the work, not after it
        result = evaluate(
            members, protocol=args.protocol, dataset=args.dataset, data_dir=args.data_dir, split=args.split,
            batch_size=args.batch_size, best=args.best, progress=True,
        )  # fmt: skip
        print(report.as_json(result) if args.json else report.as_text(result))
        written = write(args, pathlib.Path(members[0]), result)
    except (CheckpointError, ConfigError, DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in () if args.json else written:
        print(f"  {path}")
    return 0


def write(args: argparse.Namespace, first: pathlib.Path, result: dict) -> list[pathlib.Path]:
    """Predictions, table and pictures; the paths."""
    home = first.parent if first.suffix == ".npz" else first
    written = [result["predictions"].save(args.predictions)] if args.predictions else []
    written.append(report.append_row(args.table or home / "evaluations.md", result))
    folder = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{result['split']}_{result['protocol']}").strip("_")
    return written + report.draw(args.pictures or home / "evaluation" / folder, result)


if __name__ == "__main__":
    sys.exit(main())
