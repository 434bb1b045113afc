"""Orbax's layout on disk, as far as it is read without Orbax.

WORKDIR/checkpoints/STEP/{variables,ema,training,metadata}; the metadata are the JSON file
metadata/metadata. Imported weights are one such STEP, under any name. Only this module knows it,
and tests/checkpoint/test_layout.py holds it against what the installed Orbax writes.
"""

import json
import pathlib
from typing import Any

CHECKPOINTS = "checkpoints"
ITEMS = ("variables", "ema", "training", "metadata")


def steps_of(workdir: pathlib.Path) -> list[int]:
    """The steps of the finished checkpoints of a run, oldest first; unfinished have other names."""
    return steps_in(pathlib.Path(workdir) / CHECKPOINTS)


def steps_in(folder: pathlib.Path) -> list[int]:
    """The steps of the finished checkpoints in the folder `checkpoints` of a run."""
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def is_checkpoint(folder: pathlib.Path) -> bool:
    """Whether `folder` is one checkpoint, or one directory of imported weights."""
    return (pathlib.Path(folder) / "variables").is_dir()


def holds_checkpoint(path: pathlib.Path) -> bool:
    """Whether `path` is a checkpoint, or the workdir of a run that has one."""
    return is_checkpoint(path) or bool(steps_of(path))


def averaged_or_plain(folder: pathlib.Path) -> pathlib.Path:
    """Where a checkpoint has the variables that evaluation uses: averaged ones if there are any."""
    return folder / ("ema" if (folder / "ema").is_dir() else "variables")


def read_metadata(folder: pathlib.Path) -> dict[str, Any]:
    """What a checkpoint says of itself; raises OSError or ValueError where that cannot be read."""
    return json.loads((folder / "metadata" / "metadata").read_text())
