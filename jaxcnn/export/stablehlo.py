"""StableHLO by `jax.export`: a program for CPU, CUDA and TPU, weights beside it, and a runner."""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import export as jax_export

from jaxcnn.export import bundle, portable
from jaxcnn.export.bundle import Form, Source

PLATFORMS = ("cpu", "cuda", "tpu")
RUNNER = pathlib.Path(__file__).with_name("run_stablehlo.py")


def export_stablehlo(source: Source, out: str | pathlib.Path, form: Form) -> dict[str, Any]:
    """Writes the folder `out`: model.stablehlo, variables.safetensors, run.py, export.json.

    run.py needs jax and flatbuffers and not this package. JAX promises to read such a file for six
    months. Returns the largest difference; raises ExportError as `bundle.check` does.
    """
    bundle.needs("flatbuffers", "safetensors")
    from safetensors.numpy import save_file

    flat: dict[str, Any] = flatten_dict(source.variables, sep="/")
    exported = program(source, form, flat)
    with bundle.whole_folder(out) as folder:
        (folder / "model.stablehlo").write_bytes(exported.serialize())
        weights = {name: np.ascontiguousarray(array) for name, array in flat.items()}
        save_file(weights, folder / "variables.safetensors")
        (folder / "variables.safetensors").chmod(0o644)
        shutil.copyfile(RUNNER, folder / "run.py")
        checked = bundle.check(source, form, _runner(folder, form.outputs))
        facts = bundle.form_facts(form) | {"platforms": PLATFORMS, "readable_for": "six months"}
        bundle.record(folder, "stablehlo", source, **facts, checked=checked)
    return {"difference": max(row["difference"] for row in checked)}


def program(source: Source, form: Form, flat: dict[str, np.ndarray]) -> jax_export.Exported:
    """f(variables by path, images) -> outputs by name, lowered for every platform."""
    forward = portable.forward(
        source.model, source.preprocess, takes=form.takes, layout=form.layout, outputs=form.outputs
    )

    def run(variables: dict[str, Any], images: jax.Array) -> dict[str, jax.Array]:
        found = forward(unflatten_dict(variables, sep="/"), images)
        return dict(zip(form.outputs, found, strict=True))

    batch: Any = form.batch or jax_export.symbolic_shape("batch")[0]
    images = jax.ShapeDtypeStruct((batch, *bundle.image_shape(source, form.layout)), form.dtype)
    variables = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in flat.items()}
    return jax_export.export(jax.jit(run), platforms=PLATFORMS)(variables, images)


def _runner(
    folder: pathlib.Path, outputs: tuple[str, ...]
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """What run.py computes, in this process."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("jaxcnn_exported_run", folder / "run.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load(folder)
    return lambda images: [network(images)[name] for name in outputs]
