"""Computes the statistics of BatchNorm anew over the training set, as in He's released networks.

    jaxcnn recompute-statistics --workdir runs/resnet20
    jaxcnn recompute-statistics --workdir runs/resnet50 --split 'train[:50000]' \\
        --batch-size 1024 --out weights/resnet50_exact
    jaxcnn recompute-statistics --workdir runs/resnet20 --layer-by-layer

A run keeps running averages, which follow its last steps. This command replaces them by the exact
mean and variance over all images of the training split, seen as in evaluation, each once. The
parameters stay as they are; averaged ones are taken where the run has them. The result is a
checkpoint of its own, for jaxcnn evaluate and --config.init_from, whose metadata say what
changed.

In one pass each layer normalises by the moments of its batch, so a larger --batch-size is nearer
to the whole set. --layer-by-layer is exact for any batch size, and takes as many passes as there
are layers with statistics. Auxiliary heads, which evaluation does not use, keep theirs.
"""

import argparse
import pathlib

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.commands.ending import ended
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import UsageError
from jaxcnn.evaluate.evaluation import settings_of
from jaxcnn.evaluate.statistics import recompute
from jaxcnn.evaluate.trained import load_trained
from jaxcnn.files import writing
from jaxcnn.run import logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--workdir", required=True, help="a run's workdir, or imported weights")
    add("--out", help="directory to write (default: WORKDIR/recomputed)")
    add("--best", action="store_true", help="the checkpoint with the best evaluation, not the last")
    add("--layer-by-layer", action="store_true", help="one pass for each layer")
    add("--dataset", help="default: the run's")
    add("--data-dir", help="default: where the run found its data")
    add("--split", help="default: the run's training split")
    add("--batch-size", type=int, default=0, help="images at a time; default: the run's")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> str:
    """Computes and writes as `args` say; returns what to tell the user."""
    out = pathlib.Path(args.out or pathlib.Path(args.workdir) / "recomputed")
    if out.exists():
        raise UsageError(f"{out} exists already; remove it or give another --out")
    with writing(out):  # said before the work, not after it
        out.parent.mkdir(parents=True, exist_ok=True)
    trained = load_trained(args.workdir, args.best)
    data = settings_of(trained.metadata, args.dataset, args.data_dir, args.batch_size).data
    source = open_source(data, args.split or data.train_split)
    found = recompute(
        trained.model,
        trained.variables,
        preprocess=trained.preprocess,
        source=source,
        data=data,
        layer_by_layer=args.layer_by_layer,
        progress=True,
    )
    about = {
        "of": str(pathlib.Path(args.workdir).absolute()),
        "dataset": data.name,
        "split": source.split,
        "images": found.images,
        "corrupt": found.corrupt,
        "layers": found.layers,
        "layer_by_layer": args.layer_by_layer,
        "batch_size": data.batch_size,
        "mean_moved": found.mean_moved,
        "var_ratio": found.var_ratio,
    }
    # The old evaluation was with the old statistics.
    metadata = {name: value for name, value in trained.metadata.items() if name != "metrics"}
    save_variables(out, found.variables, metadata | {"recomputed_statistics": about})
    return (
        f"wrote {out}: statistics of {len(found.layers)} layers over {found.images:,} images of "
        f"{data.name} {source.split}; means moved by up to {found.mean_moved:.3g} deviations, "
        f"variances changed by up to a factor of {found.var_ratio:.3g}"
    )


def main(argv: list[str] | None = None) -> int:
    """Computes and says so, or says why not; returns the exit code."""
    args = parse(argv)
    logs.setup_logging()
    return ended(lambda: print(run(args)))
