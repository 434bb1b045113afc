"""What the files under configs/ share: the choice of a variant by name."""

import pathlib
from collections.abc import Iterable

from jaxcnn.errors import ConfigError, did_you_mean


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
