"""Reads a hub folder that `jaxcnn export hub` wrote: weights, preprocessing, class names."""

import json
import pathlib
from typing import Any

from jaxcnn.errors import DataError

KEYS = ("port", "model", "model_args", "preprocessing")


def read_config(folder: str | pathlib.Path, name: str) -> dict[str, Any]:
    """What config.json of `folder` says of the weights of the port `name`, under "jaxcnn".

    Raises DataError where the folder is none of ours, or holds the weights of another port.
    """
    path = pathlib.Path(folder) / "config.json"
    try:
        found = json.loads(path.read_text())["jaxcnn"]
        missing = [key for key in KEYS if key not in found]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; expected a hub folder") from None
    except (ValueError, KeyError, TypeError):
        missing = list(KEYS)
    if missing:
        raise DataError(
            f"{path} does not say {', '.join(missing)} under jaxcnn, so it is no hub folder that "
            "this package wrote; import its model.safetensors instead"
        )
    if found["port"] != name:
        raise DataError(f"{folder} holds weights of {found['port']}, not of {name}")
    return found
