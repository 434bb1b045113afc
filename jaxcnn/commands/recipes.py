"""Lists the recipes that come with the package, one a line: what --config takes, how it trains.

    jaxcnn recipes                # every recipe
    jaxcnn recipes 'vgg*'         # those whose file or variant matches a shell pattern
    jaxcnn train --config=vgg.py:vgg16 --workdir=runs/vgg16

A file of the same name in the current folder comes first. Copy a recipe to change more than a few
settings: the folder is printed at the end.
"""

import argparse
import fnmatch
import sys
from collections.abc import Iterator

from jaxcnn.config import recipes
from jaxcnn.config.schema import Config
from jaxcnn.errors import DONE, USAGE
from jaxcnn.run.command import load_module


def main(argv: list[str] | None = None) -> int:
    """Prints the list; returns 0, or 2 where no recipe matches."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="such as 'resnet*'")
    patterns = parser.parse_args(argv).patterns
    lines = list(listed(patterns or ["*"]))
    if not lines:
        print(f"error: no recipe matches {' '.join(patterns)}", file=sys.stderr)
        return USAGE
    print("\n".join([*lines, "", f"They lie in {recipes.folder()}"]))
    return DONE


def listed(patterns: list[str]) -> Iterator[str]:
    """A line for each recipe whose file, variant or FILE:VARIANT matches one of the patterns."""
    for path in sorted(recipes.folder().glob("*.py")):
        module = load_module(path)
        for variant in module.VARIANTS:
            names = (path.name, path.stem, variant, f"{path.name}:{variant}")
            if any(fnmatch.fnmatchcase(name, p) for name in names for p in patterns):
                yield f"{names[-1]:<40}  {described(module.get_config(variant))}"


def described(config: Config) -> str:
    """How a recipe trains, in a few words."""
    data, optim = config.data, config.optim
    length = f"{optim.steps:,} steps" if optim.steps else f"{optim.epochs:g} epochs"
    return (
        f"{config.model} on {data.name}, {length} of batches of {data.batch_size:,}, "
        f"{optim.name} at {optim.learning_rate:g}, {optim.schedule}"
        f"{f', from {config.init_from}' if config.init_from else ''}"
    )
