"""A folder with the demo for any file server: the networks run in the browser, nowhere else."""

import base64
import importlib.util
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxcnn.checkpoint.variables import check_classifies
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.export import bundle, onnx_file
from jaxcnn.export.bundle import Form
from jaxcnn.interpret.class_activation import cam, class_map
from jaxcnn.interpret.viewer import Viewer
from jaxcnn.pages.network import drawing_of, examples_of, grey_of
from jaxcnn.pages.server import TEMPLATES

PAGE = {
    "demo.html": "index.html",
    "style.css": "style.css",
    "demo.css": "demo.css",
    "demo.js": "demo.js",
    "stage.js": "stage.js",
    "drawing.js": "drawing.js",
    "resize.js": "resize.js",
    "backend_onnx.js": "backend.js",
}
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # of onnxruntime-web
INTERPOLATIONS = ("bilinear", "bicubic")  # that resize.js computes
PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # that come with scikit-learn
CREDIT = "Photographs: danielbuechele (china) and vultilion (flower), CC BY 2.0"


def write_static(
    workdirs: Sequence[str], out: str | pathlib.Path, ort: str | pathlib.Path, *, best: bool = False
) -> pathlib.Path:
    """Writes the demo of one or more networks to the folder `out`; returns its path.

    `ort` is the folder dist/ of the npm package onnxruntime-web. Each network is exported to ONNX,
    run and compared first. After an error nothing is left. Raises a JaxcnnError with one sentence.
    """
    ort = pathlib.Path(ort)
    missing = [name for name in RUNTIME if not (ort / name).is_file()]
    if missing:
        raise ConfigError(
            f"{ort} holds no {missing[0]}; give --ort the folder dist/ of npm's onnxruntime-web"
        )
    if not workdirs:
        raise ConfigError("there is no network for the page; give --workdir")
    with bundle.whole_folder(out) as folder:
        for source, name in PAGE.items():
            shutil.copyfile(TEMPLATES / source, folder / name)
        (folder / "ort").mkdir()
        for name in RUNTIME:
            shutil.copyfile(ort / name, folder / "ort" / name)
        models = [_model(folder, i, workdir, best) for i, workdir in enumerate(workdirs)]
        text = json.dumps({"models": models}, allow_nan=False)
        (folder / "models.json").write_text(text)
    return pathlib.Path(out)


def _model(folder: pathlib.Path, place: int, workdir: str, best: bool) -> dict[str, Any]:
    """Exports one network into `folder`; returns what the page has to know of it."""
    viewer, source = Viewer(workdir, best=best), bundle.load(workdir, best)
    _check(viewer, workdir)
    bias = class_bias(viewer)
    outputs = ("class_map",) if bias else ("logits",)  # the map's mean is the logits
    name = f"network{place}"
    onnx_file.export_onnx(source, folder / name, Form(takes="pixels", outputs=outputs))
    (folder / name / "model.onnx").replace(folder / f"{name}.onnx")
    shutil.rmtree(folder / name)
    metadata, preprocess = viewer.metadata, viewer.preprocess
    drawing = drawing_of(metadata, viewer.shape)
    examples = examples_of(viewer)
    photographs = [] if examples or preprocess.channels == 1 else _photographs()
    mean = np.asarray(preprocess.offset()).mean(axis=(0, 1))  # [C]
    return {
        "name": metadata["model"],
        "dataset": metadata.get("config", {}).get("data", {}).get("name", ""),
        "step": metadata.get("step"),
        "classes": len(viewer.class_names),
        "names": [text.split(",")[0] for text in viewer.class_names],
        "side": preprocess.image_size,
        "file": f"{name}.onnx",
        "preprocessing": preprocess.to_dict() | {"pixel_mean": "", "whitening": ""},
        "fill": [round(float(value)) for value in mean],
        "method": "class activation map" if bias else "",
        "grey": grey_of(viewer),
        "bias": bias,
        "drawing": vars(drawing) if drawing else None,
        "neighbours": False,
        "examples": examples or photographs,
        "credit": CREDIT if photographs else "",
    }


def _check(viewer: Viewer, workdir: str) -> None:
    """Raises DataError for images that the page's own code cannot prepare.

    ConfigError for a network that classifies pixels.
    """
    check_classifies(viewer.model)
    preprocess = viewer.preprocess
    if preprocess.whitening or preprocess.interpolation not in INTERPOLATIONS:
        how = "whitens" if preprocess.whitening else f"resizes by {preprocess.interpolation}"
        raise DataError(
            f"{workdir} {how} its images, which the page cannot do in a browser; use the server: "
            "jaxcnn demo without --static"
        )


def class_bias(viewer: Viewer) -> list[float]:
    """What the class map has above the class activation map, for each class; [] without maps."""
    blank = jnp.zeros((1, *viewer.shape), jnp.float32)
    try:
        maps = cam(viewer.model, viewer.variables, blank)
    except ConfigError:
        return []
    whole = class_map(viewer.model, viewer.variables, blank)
    return [round(float(value), 6) for value in np.asarray(whole - maps)[0].mean(axis=(0, 1))]


def _photographs() -> list[dict[str, str]]:
    """Two photographs that come with scikit-learn, as examples for networks of photographs."""
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        return []
    folder = pathlib.Path(spec.origin).parent / "datasets" / "images"
    paths = [folder / name for name in PHOTOGRAPHS if (folder / name).is_file()]
    head = "data:image/jpeg;base64,"
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in paths]
    return [
        {"name": path.stem, "picture": head + text}
        for path, text in zip(paths, encoded, strict=True)
    ]
