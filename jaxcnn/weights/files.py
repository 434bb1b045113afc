"""Reads state dicts from the files in which they are published: .pth, .pt, .th, .safetensors."""

import pathlib
from typing import Any

from jaxcnn.errors import WeightsError, one_line
from jaxcnn.weights import torch_file

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
            f"{path} is not a file; expected a .pth, .pt, .th or .safetensors file, a hub folder, "
            "or for jaxcnn import one of the words download and package"
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
