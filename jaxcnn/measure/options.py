"""The options of jaxcnn benchmark."""

import argparse
import re
from typing import Any

from jaxcnn.config.mappings import model_fields
from jaxcnn.config.schema import PRECISIONS, Sharding
from jaxcnn.errors import ConfigError

# The flag of each mode but the default one, and its help.
MODES = {
    "lowerings": "time single convolutions",
    "loop": "time the training loop of --config",
    "augmentation": "time the augmentation of --config, as a share of its training step",
    "pipeline": "time the input pipeline",
    "gradient-sums": "what the type of the sum over devices does to a gradient, on --dataset",
    "collectives": "count what the devices of --mesh exchange in a training step of --models",
}


def parse(arguments: list[str] | None, about: str) -> argparse.Namespace:
    """The options; `mode` is "step" or the key of `MODES` that a flag selects."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", metavar="A,B", help="names, with commas; jaxcnn summarize lists them")
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
    for mode, explained in MODES.items():
        modes.add_argument(
            f"--{mode}",
            dest="mode",
            action="store_const",
            const=mode,
            default="step",
            help=explained,
        )
    _add_options_of_modes(parser)
    options, options.settings = parser.parse_known_args(arguments)
    for setting in options.settings:
        if not setting.startswith("--config."):
            parser.error(f"unrecognized argument {setting}")
    if options.mode in ("step", "collectives") and not options.models:
        parser.error("--models A,B says which networks to take; jaxcnn summarize lists them")
    return options


def _add_options_of_modes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of --collectives, whose --batch is on each device of data")
    group.add_argument(
        "--mesh",
        type=mesh,
        default="data=8,model=1",
        help="data=D,model=M, with ,fsdp or ,slices (default data=8,model=1)",
    )
    group.add_argument(
        "--model-args",
        type=fields,
        default="",
        metavar="A=1,B=2",
        help="fields of the networks, such as bn_group_size=16",
    )
    group = parser.add_argument_group("of --loop and --augmentation")
    group.add_argument(
        "--config",
        default="configs/lenet.py",
        help="config file with an optional :variant; --config.FIELD=VALUE as in training",
    )
    group = parser.add_argument_group("of --pipeline")
    group.add_argument("--dataset", default="imagenet2012", help="its name (default imagenet2012)")
    group.add_argument(
        "--data-dir", default="", help="TFDS data directory, also of --loop and --augmentation"
    )
    group.add_argument("--threads", type=positive, default=1, help="that decode (default 1)")
    group.add_argument(
        "--compare",
        action="store_true",
        help="beside Pillow, as torchvision uses it, by turns in one sitting",
    )
    group.add_argument(
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
    """data=D,model=M as a mesh.

    `fsdp` splits the state over data, `slices` the linear layers over model.
    """
    sizes = re.fullmatch(r"data=([1-9]\d*),model=([1-9]\d*)(,fsdp)?(,slices)?", text)
    if sizes is None:
        raise argparse.ArgumentTypeError(
            f"expected data=D,model=M, with ,fsdp or ,slices behind it, found {text!r}"
        )
    return Sharding(
        int(sizes[1]), int(sizes[2]), fsdp=bool(sizes[3]), model_parallel_linear=bool(sizes[4])
    )
