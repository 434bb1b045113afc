"""A folder as model hubs keep them: config.json, model.safetensors, a card with the numbers."""

import json
import pathlib
from typing import Any

from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import ExportError, one_line
from jaxcnn.export import bundle, safetensors
from jaxcnn.export.bundle import Source
from jaxcnn.weights.ports import PORTS, Port

# timm's names of the first convolution and of the last layer, by the start of the network's name.
HEAD = {
    "tf_efficientnet": ("conv_stem", "classifier"),
    "inception_v4": ("features.0.conv", "last_linear"),
    "inception_resnet_v2": ("conv2d_1a.conv", "classif"),
}
KEPT = ("model", "model_args", "class_names", "synsets", "label_order", "source")


def export_hub(source: Source, out: str | pathlib.Path) -> dict[str, Any]:
    """Writes the folder `out`: config.json, model.safetensors, README.md, export.json.

    Where the weights have timm's names, `timm.create_model("local-dir:OUT", pretrained=True)` opens
    it; `jaxcnn import NAME OUT` opens all of them. Returns {"port": the name}. Raises
    ExportError as `export_safetensors` does.
    """
    with bundle.whole_folder(out) as folder:
        name = safetensors.write(source, folder)
        config = config_of(source, name, PORTS[name])
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / "README.md").write_text(card(source, name, PORTS[name]))
        bundle.record(folder, "hub", source, port=name, checked=[{"difference": 0.0}])
    return {"port": name}


def config_of(source: Source, name: str, port: Port) -> dict[str, Any]:
    """config.json: timm's fields, and under "jaxcnn" what this package needs to open it again."""
    p, metadata = source.preprocess, source.metadata
    classes = int(source.model.num_classes)
    ours = {
        "port": name,
        **{key: metadata[key] for key in KEPT if key in metadata},
        "preprocessing": p.to_dict(),
    }
    config: dict[str, Any] = {
        "library": port.library,
        "architecture": port.entry,
        "num_classes": classes,
        "jaxcnn": ours,
    }
    if port.library != "timm":
        return config
    stem, head = next(v for key, v in HEAD.items() if port.entry.startswith(key))
    config["pretrained_cfg"] = {
        "input_size": [p.channels, p.image_size, p.image_size],
        "interpolation": p.interpolation,
        "crop_pct": p.crop_fraction,
        "mean": _fractions(p.mean),
        "std": _fractions(p.std),
        "num_classes": classes,
        "first_conv": stem,
        "classifier": head,
    }
    names = list(metadata.get("class_names") or [])
    if len(names) == classes:
        config["label_names"] = list(metadata.get("synsets") or []) or names
        config["label_descriptions"] = dict(zip(config["label_names"], names, strict=True))
    return config


def _fractions(values: tuple[float, ...]) -> list[float]:
    """0-255 as 0-1."""
    return [round(value / 255, 6) for value in values]


def card(source: Source, name: str, port: Port) -> str:
    """README.md: what the network is, what it was fed, what it reached where that is known."""
    metadata, p = source.metadata, source.preprocess
    lines = [
        "---",
        f"library_name: {port.library}",
        "pipeline_tag: image-classification",
        "tags: [image-classification, jaxcnn]",
        "---",
        "",
        f"# {metadata['model']}",
        "",
        f"Weights of `{metadata['model']}` for {source.model.num_classes} classes, in the names of "
        f"{port.library}'s `{port.entry}`.",
        "",
        f"- Source: {metadata.get('source', 'trained with jaxcnn')}",
        f"- Input: {_input(p)}",
        *(f"- {line}" for line in _numbers(source)),
        "",
        "    jaxcnn import " + name + " THIS_FOLDER --out weights/mine",
        "",
        *_opening(port),
    ]
    return "\n".join(lines)


def _opening(port: Port) -> list[str]:
    if port.library == "timm":
        return ['    timm.create_model("local-dir:THIS_FOLDER", pretrained=True)', ""]
    return [
        f"    network = torchvision.models.{port.entry}(num_classes=...)",
        '    network.load_state_dict(safetensors.torch.load_file("model.safetensors"))',
        "",
    ]


def _input(p: Preprocess) -> str:
    mean = "a mean image" if p.pixel_mean else ", ".join(f"{v:g}" for v in p.mean)
    return (
        f"short side to {p.resized} pixels ({p.interpolation}), centre {p.inner}x{p.inner}, then "
        f"(pixel - [{mean}]) / [{', '.join(f'{v:g}' for v in p.std)}] on the 0-255 scale"
    )


def _numbers(source: Source) -> list[str]:
    """The evaluation that was saved with the checkpoint, and the table that evaluate.py keeps."""
    found = [
        f"{key} at the checkpoint: {value:.4g}"
        for key, value in sorted(source.metadata.get("metrics", {}).items())
        if isinstance(value, int | float)
    ]
    table = pathlib.Path(source.path) / "evaluations.md"
    if table.is_file():
        found.append("Evaluations:\n\n" + table.read_text().strip())
    return found or ["Accuracy: not evaluated"]


def push(folder: str | pathlib.Path, repository: str, api: Any = None) -> str:
    """Uploads a hub folder to `repository` ("user/name"); returns its address.

    `api` is a `huggingface_hub.HfApi`, by default one with the user's own login. Raises ExportError
    where there is no network, no login, or no such repository.
    """
    bundle.needs("huggingface_hub")
    import huggingface_hub

    api = api or huggingface_hub.HfApi()
    try:
        url = api.create_repo(repository, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=str(folder))
    except Exception as error:  # the network's, the hub's and the validator's errors share no base
        raise ExportError(
            f"{folder} could not be pushed to {repository} ({type(error).__name__}: "
            f"{one_line(error)}); the folder is written, push it where there is a network and a "
            "login"
        ) from None
    return str(url)
