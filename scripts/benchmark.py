"""Speed of the networks on this machine: one training step and one forward pass, compiled.

  python scripts/benchmark.py --models resnet50,vgg16 --batch 8
  python scripts/benchmark.py --models inception_v3 --batch 4 --image-size 299 --json
  python scripts/benchmark.py --lowerings                     # the forms of single convolutions

What the training loop adds to its compiled step, and what augmentation adds inside it:

  python scripts/benchmark.py --loop --config configs/lenet.py:lenet-mnist
  python scripts/benchmark.py --augmentation --config configs/alexnet.py

Decode, crop and batch without a network; beside Pillow and tf.data, by turns:

  python scripts/benchmark.py --pipeline --dataset imagenet2012 --data-dir ~/tensorflow_datasets
  python scripts/benchmark.py --pipeline --compare --tf-python ENV/bin/python ...

What devices exchange in a step; compiled, not run:

  python scripts/benchmark.py --models resnet50 --collectives --mesh data=8,model=1

A training step is the trainer's own: forward in training mode (dropout and BatchNorm on, auxiliary
heads left out), cross-entropy, backward, metrics, and SGD with momentum on one fixed synthetic
batch that lies on the device, its state donated. Times are medians over n runs after two that are
not counted; a `core` time is the processor time divided by the number of cores, for machines that
others use as well.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from jaxcnn.config.mappings import model_fields
from jaxcnn.config.schema import PRECISIONS, Config, Data, Sharding
from jaxcnn.errors import ConfigError
from jaxcnn.main import parse as parse_config
from jaxcnn.measure.loop import augmentation_times, loop_times
from jaxcnn.measure.lowerings import lowering_times
from jaxcnn.measure.pipeline import compare, pipeline_speed
from jaxcnn.measure.steps import Row, step_times
from jaxcnn.train.rehearsal import train_step_row


def main(arguments: list[str] | None = None) -> int:
    """Prints one line for each row of the mode; 0, or 2 when a model does not exist or cannot take the size."""
    options = parse(arguments)
    rows = []
    try:
        for row in MODES[options.mode](options):
            rows.append(row)
            if options.json:
                print(json.dumps(row), flush=True)
    except ValueError as error:
        print(f"benchmark.py: {error}", file=sys.stderr)
        return 2
    if not options.json:
        Console(width=None if sys.stdout.isatty() else 140).print(table(rows))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; `mode` is the key of `MODES` that a flag selects."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", metavar="A,B", help="names, with commas; scripts/summarize.py lists them")
    add("--batch", type=positive, default=8, help="images a step (default 8)")
    add("--image-size", type=positive, default=224, metavar="S", help="S x S pixels (default 224)")
    add(
        "--precision",
        type=precision,
        default="float32",
        metavar="{" + ",".join(PRECISIONS) + "}",
        help="of the computation; parameters stay float32",
    )
    add("-n", type=positive, default=5, help="timed runs (default 5)")
    add("--json", action="store_true", help="one JSON object a line")
    modes = parser.add_mutually_exclusive_group()
    for mode, about in ABOUT.items():
        modes.add_argument(
            f"--{mode}",
            dest="mode",
            action="store_const",
            const=mode,
            default="step",
            help=about,
        )
    _add_options_of_modes(parser)
    options, options.settings = parser.parse_known_args(arguments)
    for setting in options.settings:
        if not setting.startswith("--config."):
            parser.error(f"unrecognized argument {setting}")
    if options.mode in ("step", "collectives") and not options.models:
        parser.error("--models A,B says which networks to take; scripts/summarize.py lists them")
    return options


def _add_options_of_modes(parser: argparse.ArgumentParser) -> None:
    about = parser.add_argument_group("of --collectives, whose --batch is on each device of data")
    about.add_argument(
        "--mesh",
        type=mesh,
        default="data=8,model=1",
        help="data=D,model=M, with ,fsdp or ,slices (default data=8,model=1)",
    )
    about.add_argument(
        "--model-args",
        type=fields,
        default="",
        metavar="A=1,B=2",
        help="fields of the networks, such as bn_group_size=16",
    )
    about = parser.add_argument_group("of --loop and --augmentation")
    about.add_argument(
        "--config",
        default="configs/lenet.py",
        help="config file with an optional :variant; --config.FIELD=VALUE as in training",
    )
    about = parser.add_argument_group("of --pipeline")
    about.add_argument("--dataset", default="imagenet2012", help="its name (default imagenet2012)")
    about.add_argument(
        "--data-dir", default="", help="TFDS data directory, also of --loop and --augmentation"
    )
    about.add_argument("--threads", type=positive, default=1, help="that decode (default 1)")
    about.add_argument(
        "--compare",
        action="store_true",
        help="beside Pillow, as torchvision uses it, by turns in one sitting",
    )
    about.add_argument(
        "--tf-python",
        default="",
        metavar="PYTHON",
        help="an interpreter with TensorFlow, to add tf.data to --compare",
    )


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def precision(text: str) -> str:
    """One of PRECISIONS; fp32 and bf16 are their older spellings."""
    name = {"fp32": "float32", "bf16": "bfloat16"}.get(text, text)
    if name not in PRECISIONS:
        raise argparse.ArgumentTypeError(f"expected {' or '.join(PRECISIONS)}, found {text!r}")
    return name


def fields(text: str) -> dict[str, Any]:
    """NAME=VALUE, NAME=VALUE as fields of a network."""
    try:
        return model_fields(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def mesh(text: str) -> Sharding:
    """data=D,model=M as a mesh; `fsdp` splits the state over data, `slices` the linear layers over model."""
    sizes = re.fullmatch(r"data=([1-9]\d*),model=([1-9]\d*)(,fsdp)?(,slices)?", text)
    if sizes is None:
        raise argparse.ArgumentTypeError(
            f"expected data=D,model=M, with ,fsdp or ,slices behind it, found {text!r}"
        )
    return Sharding(
        int(sizes[1]), int(sizes[2]), fsdp=bool(sizes[3]), model_parallel_linear=bool(sizes[4])
    )


def steps(options: argparse.Namespace) -> Iterator[Row]:
    """The default mode: whole networks."""
    names = options.models.split(",")
    return step_times(
        names,
        batch=options.batch,
        image_size=options.image_size,
        precision=options.precision,
        n=options.n,
    )


def lowerings(options: argparse.Namespace) -> Iterator[Row]:
    """--lowerings: every form of the convolutions that networks spend their time in."""
    return lowering_times(precision=options.precision, n=options.n)


def loop(options: argparse.Namespace) -> Iterator[Row]:
    """--loop: resident and streamed."""
    return loop_times(named_config(options), options.n)


def augmentation(options: argparse.Namespace) -> Iterator[Row]:
    """--augmentation: all that the config names, then each alone."""
    return augmentation_times(named_config(options), options.n)


def named_config(options: argparse.Namespace) -> Config:
    """The config of --config, --data-dir and --config.FIELD=VALUE."""
    where = [f"--config.data.data_dir={options.data_dir}"] if options.data_dir else []
    return parse_config(
        ["benchmark", f"--config={options.config}", "--workdir=unused", *where, *options.settings]
    )[0]


def pipeline(options: argparse.Namespace) -> Iterator[Row]:
    """--pipeline: decode, random-resized crop, batch."""
    data = Data(
        name=options.dataset,
        data_dir=options.data_dir,
        batch_size=64,
        threads=options.threads,
        area=(0.08, 1.0),
        resident="no",
    )
    if not options.compare:
        yield {"dataset": options.dataset} | pipeline_speed(data, image_size=options.image_size)
        return
    taken = compare(data, threads=options.threads, rounds=options.n, tf_python=options.tf_python)
    ours = taken["jaxcnn"]
    for name, row in taken.items():
        yield {
            "pipeline": name,
            "threads": options.threads,
            **row,
            "jaxcnn_times": round(ours["img_s"] / row["img_s"], 2),
            "jaxcnn_cpu_times": round(ours["img_cpu_s"] / row["img_cpu_s"], 2),
            "n": options.n,
        }


def collectives(options: argparse.Namespace) -> Iterator[Row]:
    """--collectives: on the devices of this machine, or on as many virtual ones of its CPU."""
    flags, place = os.environ.get("XLA_FLAGS", ""), options.mesh
    # Read when the first array is made; it means nothing to GPUs and TPUs.
    if "xla_force_host_platform_device_count" not in flags:
        devices = f"--xla_force_host_platform_device_count={place.data * place.model}"
        os.environ["XLA_FLAGS"] = f"{flags} {devices}".strip()
    for name in options.models.split(","):
        row = train_step_row(
            name,
            place,
            batch=options.batch,
            image_size=options.image_size,
            model_args=options.model_args,
            precision=options.precision,
        )
        yield row if options.json else readable(row)


def readable(row: Row) -> Row:
    """A row of --collectives with count and bytes of a kind in one column."""
    kinds = [key for key in row if f"{key}_bytes" in row]
    shown: Row = {key: row[key] for key in ("model", "mesh", "model_args", "batch")}
    shown["parameters"] = f"{row['parameter_bytes'] / 1e6:,.1f} MB"
    for kind in kinds:
        size = f"{row[kind]}, {row[f'{kind}_bytes'] / 1e6:,.1f} MB"
        shown[kind] = size if row[kind] else "0"
    return shown | {"donated": f"{row['donated']:.0%}"}


def table(rows: list[Row]) -> Table:
    """The rows for a reader; what is the same in all of them by nature is left out."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    columns = [column for column in (rows or [{}])[0] if column not in ("framework", "device")]
    for column in columns:
        shown.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        shown.add_row(*(str(row[column]) for column in columns))
    return shown


# The flag of each mode but the first, and its help.
ABOUT = {
    "lowerings": "time single convolutions",
    "loop": "time the training loop of --config",
    "augmentation": "time the augmentation of --config, as a share of its training step",
    "pipeline": "time the input pipeline",
    "collectives": "count what the devices of --mesh exchange in a training step of --models",
}

# A mode is a function that yields rows; the flag that selects it stores its key in `mode`.
MODES: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "step": steps,
    "lowerings": lowerings,
    "loop": loop,
    "augmentation": augmentation,
    "pipeline": pipeline,
    "collectives": collectives,
}

if __name__ == "__main__":
    sys.exit(main())
