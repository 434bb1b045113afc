"""What the files under configs/ share: the choice of a variant by name."""

import difflib
import pathlib
from collections.abc import Iterable

from jaxcnn.errors import ConfigError


def choose(variant: str, variants: Iterable[str], file: str) -> tuple[str, str]:
    """(network, recipe) of a config file's argument NETWORK or NETWORK-RECIPE.

    Raises ConfigError where the argument is none of `variants`.
    """
    known = list(variants)
    if variant not in known:
        near = difflib.get_close_matches(variant, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(
            f"configs/{pathlib.Path(file).name} has no variant {variant!r}{hint}; there are: "
            f"{', '.join(known)}"
        )
    network, _, recipe = variant.partition("-")
    return network, recipe
