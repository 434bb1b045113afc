"""Where the recipes lie that come with the package, and what they share: the choice of a variant.

They are the files under configs/ of the repository, which a wheel carries as jaxcnn/recipes/.
"""

import pathlib
from collections.abc import Iterable

from jaxcnn.errors import ConfigError, did_you_mean

PACKAGE = pathlib.Path(__file__).parents[1]


def folder() -> pathlib.Path:
    """The folder of the recipes: in the installed package, or beside it in a checkout."""
    installed = PACKAGE / "recipes"
    return installed if installed.is_dir() else PACKAGE.parent / "configs"


def find(file: str) -> pathlib.Path:
    """The config file that `file` means: itself where it lies here, else the recipe of that name.

    "vgg.py" and "configs/vgg.py" mean the recipe wherever one stands. A path that is neither comes
    back as it is.
    """
    path = pathlib.Path(file)
    recipe = folder() / path.name
    if not path.is_file() and path.parent in (pathlib.Path(), pathlib.Path("configs")):
        return recipe if recipe.is_file() else path
    return path


def choose(variant: str, variants: Iterable[str], file: str) -> tuple[str, str]:
    """(network, recipe) of a config file's argument NETWORK or NETWORK-RECIPE.

    Raises ConfigError where the argument is none of `variants`.
    """
    known = list(variants)
    if variant not in known:
        raise ConfigError(
            f"configs/{pathlib.Path(file).name} has no variant {variant!r}"
            f"{did_you_mean(variant, known, count=1)}; there are: {', '.join(known)}"
        )
    network, _, recipe = variant.partition("-")
    return network, recipe
