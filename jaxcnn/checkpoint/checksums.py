"""SHA-256 checksums of the files of a checkpoint, and what they say of damage."""

import hashlib
import json
import pathlib


def file_hashes(folder: pathlib.Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def damage_of(folder: pathlib.Path, checksums: pathlib.Path) -> str:
    """What is wrong with the files of a finished checkpoint, or "" (also where a kill left it without checksums)."""
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
