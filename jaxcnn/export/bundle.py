"""What every export has in common: where it comes from, that it is right, and that it is whole."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.errors import ExportError
from jaxcnn.export import portable
from jaxcnn.run import provenance

TOLERANCE = 1e-4  # of the largest number of an output
BATCHES = (1, 7)
RUNTIMES = ("onnx", "onnxruntime", "safetensors", "flatbuffers", "torch", "torchvision", "timm")


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained network: `variables` are its parameters and running statistics, as NumPy arrays."""

    model: Any
    variables: dict[str, Any]
    preprocess: Preprocess
    metadata: dict[str, Any]
    path: str = ""


@dataclasses.dataclass(frozen=True)
class Form:
    """What the exported function takes and gives; see `portable.forward`. `batch` None: any."""

    takes: str = "normalised"
    layout: str = "nhwc"
    outputs: tuple[str, ...] = ("logits",)
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.batch is not None and self.batch < 1:
            raise ExportError(f"a batch of {self.batch} holds no image; give any, or 1 or more")

    @property
    def dtype(self) -> Any:
        """The type of the images."""
        return np.uint8 if self.takes == "pixels" else np.float32

    @property
    def batches(self) -> tuple[int, ...]:
        """The sizes of batch with which an export is tried."""
        return (self.batch,) if self.batch else BATCHES


def load(workdir: str | pathlib.Path, best: bool = False) -> Source:
    """The newest checkpoint of a run (or its `best`), or imported weights.

    Raises CheckpointError where there is none.
    """
    variables, metadata = variables_lib.load_variables(workdir, best)
    preprocess = Preprocess.from_dict(metadata["preprocessing"])
    model = variables_lib.model_of(metadata)
    return Source(model, portable.arrays(variables), preprocess, metadata, str(workdir))


def image_shape(source: Source, layout: str) -> tuple[int, int, int]:
    """The shape of one image in `layout`."""
    height, width, channels = source.preprocess.shape
    return (channels, height, width) if layout == "nchw" else (height, width, channels)


def check(
    source: Source, form: Form, run: Callable[[np.ndarray], list[np.ndarray]]
) -> list[dict[str, Any]]:
    """Compares `run`, the export in its own runtime, with the network at each size of batch.

    Returns {batch, output, difference} for each, the largest difference as a share of the largest
    number. Raises ExportError where one is above `TOLERANCE`.
    """
    plain = portable.forward(
        source.model, source.preprocess, takes=form.takes, layout=form.layout,
        outputs=form.outputs, target=contextlib.nullcontext,
    )  # fmt: skip
    network = jax.jit(plain)
    rows = []
    for batch in form.batches:
        images = portable.example(source.preprocess, form.takes, form.layout, batch)
        expected = network(source.variables, images)
        for name, ours, theirs in zip(form.outputs, expected, run(images), strict=True):
            rows.append({"batch": batch, "output": name, "difference": difference(theirs, ours)})
            if not rows[-1]["difference"] <= TOLERANCE:
                raise ExportError(
                    f"the exported network's {name} differ from the network's by "
                    f"{rows[-1]['difference']:.1e} of their largest at batch {batch} (at most "
                    f"{TOLERANCE:.0e} is allowed); nothing was written"
                )
    return rows


def difference(found: Any, expected: Any) -> float:
    """The largest difference as a share of the largest number; infinite for other shapes or NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape or not np.all(np.isfinite(found)):
        return float("inf")
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))


@contextlib.contextmanager
def whole_folder(out: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder to fill, which becomes `out` at the end; after an error nothing is left.

    Raises ExportError where `out` exists or cannot be written.
    """
    out = pathlib.Path(out)
    if out.exists():
        raise ExportError(f"{out} exists already; remove it or give another --out")
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        partial.replace(out)
    except OSError as error:
        raise ExportError(f"{out} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def record(folder: pathlib.Path, kind: str, source: Source, **facts: Any) -> None:
    """Writes export.json: what this is, of which weights, how it was checked, digests, versions."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.iterdir())
    }
    found = {
        "kind": kind,
        "model": source.metadata["model"],
        "weights": provenance.digest(source.variables),
        "source": source.metadata.get("source", source.path),
        **facts,
        "tolerance": TOLERANCE,
        "files": files,
        "versions": provenance.versions() | _versions(),
    }
    (folder / "export.json").write_text(json.dumps(found, indent=2) + "\n")


def form_facts(form: Form) -> dict[str, Any]:
    """`form` as export.json states it."""
    return {
        "input": form.takes,
        "layout": form.layout,
        "outputs": list(form.outputs),
        "batch": form.batch or "any",
    }


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def needs(*packages: str) -> None:
    """Raises ExportError unless all `packages` can be imported."""
    for package in packages:
        try:
            __import__(package)
        except ImportError:
            raise ExportError(
                f"this export needs {package}, which is not installed: pip install {package}"
            ) from None
