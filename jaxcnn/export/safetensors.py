"""safetensors in the names of torchvision or timm, which load them strictly."""

import json
import pathlib
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import ExportError
from jaxcnn.export import bundle
from jaxcnn.export.bundle import Source
from jaxcnn.export.ports import port_fields, port_of
from jaxcnn.weights.torch import from_torch, to_arrays


def export_safetensors(source: Source, out: str | pathlib.Path) -> dict[str, Any]:
    """Writes the folder `out` with model.safetensors and export.json; returns {"port": its name}.

    The file is read back and compared with the network's variables, to the bit. Raises ExportError
    where the network is not one of torchvision's or timm's.
    """
    with bundle.whole_folder(out) as folder:
        name = write(source, folder)
        bundle.record(folder, "safetensors", source, port=name, checked=[{"difference": 0.0}])
    return {"port": name}


def write(source: Source, folder: pathlib.Path) -> str:
    """Writes model.safetensors into `folder`; returns the name of the port."""
    bundle.needs("safetensors")
    from safetensors.numpy import load_file, save_file

    name, port = port_of(source.metadata)
    fields = port_fields(source.metadata)
    state = to_arrays(name, source.variables, **fields)
    state = {key: np.ascontiguousarray(value) for key, value in state.items()}
    facts = {
        "format": "pt",  # whose layouts and names these are
        "library": port.library,
        "architecture": port.entry,
        "preprocessing": json.dumps(source.preprocess.to_dict()),
    }
    save_file(state, folder / "model.safetensors", facts)
    (folder / "model.safetensors").chmod(0o644)  # the library writes it for its owner alone
    back = from_torch(name, load_file(folder / "model.safetensors"), **fields)
    same = jax.tree.map(np.array_equal, {"batch_stats": {}} | source.variables, back)
    if not jax.tree.all(same):
        raise ExportError("model.safetensors reads back other numbers; nothing was written")
    return name
