"""The ONNX export: the file is run by ONNX Runtime before it is given away."""

import pathlib
from typing import Any

import numpy as np

from jaxcnn.export import bundle, portable
from jaxcnn.export.bundle import Form, Source
from jaxcnn.export.onnx import to_onnx


def export_onnx(source: Source, out: str | pathlib.Path, form: Form) -> dict[str, Any]:
    """Writes the folder `out` with model.onnx and export.json; returns the largest difference.

    The classes' names and the preprocessing are in the model's metadata. Raises ExportError as
    `bundle.check` does.
    """
    bundle.needs("onnx", "onnxruntime")
    import onnx

    function = portable.forward(
        source.model, source.preprocess, takes=form.takes, layout=form.layout, outputs=form.outputs
    )
    with bundle.whole_folder(out) as folder:
        model = to_onnx(
            function, source.variables, bundle.image_shape(source, form.layout),
            dtype=form.dtype, outputs=form.outputs, batch=form.batch, metadata=_facts(source, form),
        )  # fmt: skip
        onnx.save(model, folder / "model.onnx")
        run = runner(folder / "model.onnx")
        checked = bundle.check(source, form, run)
        bundle.record(folder, "onnx", source, **bundle.form_facts(form), checked=checked)
    return {"difference": max(row["difference"] for row in checked)}


def runner(path: pathlib.Path) -> Any:
    """f(images) -> outputs of an ONNX file, computed by ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(output) for output in session.run(None, {name: images})]

    return run


def _facts(source: Source, form: Form) -> dict[str, Any]:
    return {
        "model": source.metadata["model"],
        "preprocessing": source.preprocess.to_dict(),
        "class_names": list(source.metadata.get("class_names") or []),
        "label_order": source.metadata.get("label_order", ""),
        **bundle.form_facts(form),
    }
