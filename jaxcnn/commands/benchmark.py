"""Speed of the networks on this machine: one training step and one forward pass, compiled.

    jaxcnn benchmark --models resnet50,vgg16 --batch 8
    jaxcnn benchmark --models inception_v3 --batch 4 --image-size 299 --json
    jaxcnn benchmark --lowerings                     # the forms of single convolutions

What the training loop adds to its compiled step, and what augmentation adds inside it:

    jaxcnn benchmark --loop --config configs/lenet.py:lenet-mnist
    jaxcnn benchmark --augmentation --config configs/alexnet.py

Decode, crop and batch without a network; beside Pillow and tf.data, by turns:

    jaxcnn benchmark --pipeline --dataset imagenet2012 --data-dir ~/tensorflow_datasets
    jaxcnn benchmark --pipeline --compare --tf-python ENV/bin/python ...

What it does to a gradient that devices add in bfloat16; real images, devices imitated:

    jaxcnn benchmark --gradient-sums --dataset cifar10 --data-dir DATA --json

What devices exchange in a step; compiled, not run:

    jaxcnn benchmark --models resnet50 --collectives --mesh data=8,model=1

A training step is the trainer's own: forward in training mode (dropout and BatchNorm on, auxiliary
heads left out), cross-entropy, backward, metrics, and SGD with momentum on one fixed synthetic
batch that lies on the device, its state donated. Times are medians over n runs after two that are
not counted; a `core` time is the processor time divided by the number of cores, for machines that
others use as well.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator

from rich.console import Console

from jaxcnn.config.schema import Config, Data
from jaxcnn.measure.gradient_sums import gradient_sums
from jaxcnn.measure.loop import augmentation_times, loop_times
from jaxcnn.measure.lowerings import lowering_times
from jaxcnn.measure.options import parse
from jaxcnn.measure.pipeline import compare, pipeline_speed
from jaxcnn.measure.steps import Row, step_times
from jaxcnn.measure.tables import readable, table
from jaxcnn.run.command import parse as parse_config
from jaxcnn.train.described import train_step_row


def main(arguments: list[str] | None = None) -> int:
    """Prints one line for each row of the mode.

    Returns 0, or 2 when a model does not exist or cannot take the size.
    """
    options = parse(arguments, __doc__ or "")
    rows = []
    try:
        for row in MODES[options.mode](options):
            rows.append(row)
            if options.json:
                print(json.dumps(row), flush=True)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not options.json:
        Console(width=None if sys.stdout.isatty() else 140).print(table(rows))
    return 0


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


def sums(options: argparse.Namespace) -> Iterator[Row]:
    """--gradient-sums: 8, 64 and 512 devices of 8 images each."""
    return gradient_sums(Data(name=options.dataset, data_dir=options.data_dir))


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


# A mode is a function that yields rows; the flag that selects it stores its key in `mode`.
MODES: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "step": steps,
    "lowerings": lowerings,
    "loop": loop,
    "augmentation": augmentation,
    "pipeline": pipeline,
    "gradient-sums": sums,
    "collectives": collectives,
}
