"""Where the repository lies."""

import pathlib

REPOSITORY = pathlib.Path(__file__).parents[2]
