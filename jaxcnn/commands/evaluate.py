"""Evaluates a trained run, imported weights, or an ensemble of several, by a paper's protocol.

    jaxcnn evaluate --workdir runs/digits [--json]
    jaxcnn evaluate --workdir weights/vgg16 --protocol dense@384 \\
        --dataset imagenet2012 --data-dir ~/tensorflow_datasets
    jaxcnn evaluate --workdir runs/resnet50,runs/vgg16,resnet152.npz \\
        --protocol ten_crop --predictions ensemble.npz

Several processes divide the images: by --coordinator_address, --num_processes and --process_id, or
by themselves under Slurm, Kubernetes and on Cloud TPU slices (docs/scaling.md). The first one
prints and writes. Exit codes: 0 done, 1 failed, 2 a flag or data that cannot work.
"""

import argparse
import pathlib
import re
import sys
import traceback

import jax

from jaxcnn.errors import FAILED, JaxcnnError
from jaxcnn.evaluate import predictions, protocols, report
from jaxcnn.evaluate.evaluation import Evaluation, evaluate
from jaxcnn.parallel import joining, processes
from jaxcnn.parallel.launch import Launch
from jaxcnn.run import command, logs


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--workdir",
        required=True,
        help="a run's workdir, imported weights or a predictions .npz; several with commas: an "
        "ensemble",
    )
    add(
        "--protocol",
        default="center",
        help=f"{protocols.NAMES}; NAME@Q,Q sets the short sides in pixels",
    )
    add("--dataset", help="default: the first run's")
    add(
        "--best",
        action="store_true",
        help="the checkpoint with the best evaluation instead of the newest",
    )
    add("--split", help="default: the first run's evaluation split")
    add("--data-dir", help="default: where the first run found its data")
    add(
        "--batch-size",
        type=int,
        default=0,
        help="images of the network's size on the devices at a time; default: the run's",
    )
    add(
        "--predictions",
        metavar="FILE.npz",
        help="save probabilities, labels and record keys; ensembles take such files",
    )
    add(
        "--table",
        help="Markdown table of results to which a row is added; default: evaluations.md in the "
        "first workdir",
    )
    add("--pictures", metavar="DIR", help="default: evaluation/SPLIT_PROTOCOL in the first workdir")
    add(
        "--report",
        choices=("on", "off"),
        default=command.report_default(),
        help="whether report.html is written beside the pictures (default: %(default)s)",
    )
    add("--json", action="store_true", help="one JSON object")
    add("--coordinator_address", help="host:port of process 0, the same for all processes")
    add("--num_processes", type=int, help="how many processes divide the images")
    add("--process_id", type=int, help="which of them this one is, from 0")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints the result, adds it to the table, draws the pictures; returns the exit code."""
    args = parse(argv)
    try:
        joining.initialize(Launch(args.coordinator_address, args.num_processes, args.process_id))
        logs.setup_logging()
        run(args)
    except (JaxcnnError, OSError) as error:
        code = error.exit_code if isinstance(error, JaxcnnError) else FAILED
        print(f"error: {error}", file=sys.stderr)
        joining.end(str(error), code)  # the other processes would wait for this one
        return code
    except BaseException as error:
        joining.end(f"{type(error).__name__}: {error}", FAILED, traceback.format_exc())
        raise
    return 0


def run(args: argparse.Namespace) -> None:
    """Evaluates on all processes; the first one prints and writes what came out."""
    members = [text for text in args.workdir.split(",") if text]
    first = jax.process_index() == 0
    if args.predictions:
        predictions.check_writable(args.predictions)  # said before the work, not after it
    result = evaluate(
        members,
        protocol=args.protocol,
        dataset=args.dataset,
        data_dir=args.data_dir,
        split=args.split,
        batch_size=args.batch_size,
        best=args.best,
        progress=first,
    )
    if first:
        print(report.as_json(result) if args.json else report.as_text(result))
        for path in write(args, pathlib.Path(members[0]), result):
            if not args.json:
                print(f"  {path}")
    processes.meet("evaluated")


def write(args: argparse.Namespace, member: pathlib.Path, result: Evaluation) -> list[pathlib.Path]:
    """Writes predictions, table and pictures, by default into `member`; returns the paths."""
    home = member.parent if member.suffix == ".npz" else member
    written = [result.predictions.save(args.predictions)] if args.predictions else []
    written.append(report.append_row(args.table or home / "evaluations.md", result))
    folder = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{result.split}_{result.protocol}").strip("_")
    place = pathlib.Path(args.pictures or home / "evaluation" / folder)
    written += report.draw(place, result)
    if args.report == "off" or result.protocol == "saved" or len(result.members) > 1:
        return written
    from jaxcnn.pages import report as page

    return written + page.automatic(
        member, place, result=result, best=args.best, data_dir=args.data_dir
    )
