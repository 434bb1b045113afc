"""SHA-256 checksums of the files of a checkpoint, and what they say of damage."""

import hashlib
import json
import pathlib

from jaxcnn.files import replace_text


def checksums_of(checkpoints: pathlib.Path, step: int) -> pathlib.Path:
    """The file that has the checksums of checkpoint `step` in the folder `checkpoints`."""
    return checkpoints / "checksums" / f"{step}.json"


def file_hashes(folder: pathlib.Path) -> dict[str, str]:
    """{path in `folder`: SHA-256} of every file."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def write_hashes(checkpoints: pathlib.Path, steps: list[int]) -> None:
    """Writes the checksums of these checkpoints, and removes those of checkpoints that are gone."""
    sums = checkpoints / "checksums"
    sums.mkdir(exist_ok=True)
    for old in sums.glob("*.json"):
        if not (checkpoints / old.stem).is_dir():
            old.unlink()
    for step in steps:
        folder = checkpoints / str(step)
        if folder.is_dir():
            replace_text(checksums_of(checkpoints, step), json.dumps(file_hashes(folder)))


def damage_of(folder: pathlib.Path, checksums: pathlib.Path) -> str:
    """What is wrong with the files of a finished checkpoint, or "".

    Without checksums, which a kill may have prevented, nothing is known to be wrong.
    """
    if not checksums.is_file():
        return ""
    try:
        expected = json.loads(checksums.read_text())
        if not isinstance(expected, dict):
            raise ValueError
    except ValueError:
        return f"its checksum file {checksums} is unreadable"
    found = file_hashes(folder)
    for name in expected:
        if name not in found:
            return f"its file {name} is missing"
        if found[name] != expected[name]:
            return f"its file {name} has changed since it was written"
    return ""
