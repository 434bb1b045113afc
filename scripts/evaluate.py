"""Evaluates a trained run, or imported weights.

python scripts/evaluate.py --workdir runs/digits [--json]
python scripts/evaluate.py --workdir weights/resnet50 --dataset imagenet2012 --data-dir ~/tensorflow_datasets
"""

import argparse
import sys

from jaxcnn import evaluate, logs
from jaxcnn.checkpoint import CheckpointError
from jaxcnn.config import ConfigError
from jaxcnn.data import DataError


def main() -> int:
    """Prints top-1, top-5, loss and per-class accuracy; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="a run's workdir, or a directory of imported weights")
    parser.add_argument("--dataset", help="default: the run's")
    parser.add_argument("--best", action="store_true", help="the checkpoint with the best evaluation instead of the newest")
    parser.add_argument("--split", help="default: the run's evaluation split")
    parser.add_argument("--data-dir", help="default: where the run found its data")
    parser.add_argument("--batch-size", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    logs.setup_logging()
    try:
        result = evaluate.evaluate(
            args.workdir, dataset=args.dataset, data_dir=args.data_dir, split=args.split, batch_size=args.batch_size, best=args.best
        )
    except (CheckpointError, ConfigError, DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(evaluate.as_json(result) if args.json else evaluate.as_text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
