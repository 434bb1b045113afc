"""Which files of a dataset in the making are finished, so that an interrupted run goes on."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.errors import DataError

JOURNAL = "progress.jsonl"


class Shard(NamedTuple):
    """A finished file."""

    file: str
    split: str
    records: int
    size: int
    sha256: str
    bad: list[str]


def check_unfinished(place: Path) -> None:
    """Raises DataError if `place` is a finished dataset."""
    if (place / "dataset_info.json").is_file():
        raise DataError(
            f"{place} is already prepared; choose another --name, --version or --out, or remove it"
        )


def resume(place: Path, plan: dict[str, Any]) -> dict[str, Shard]:
    """Finished shards by file name, from the journal; the first run writes `plan` into it.

    A shard whose file is not as it was left is made again. Raises DataError if the journal is of a
    run with another plan.
    """
    journal = place / JOURNAL
    lines = _lines(journal)
    if not lines:
        append(journal, plan)
    elif lines[0] != plan:
        raise DataError(
            f"{place} holds a run with other images or options, {lines[0]}; "
            "remove the directory or choose another --out"
        )
    shards = [Shard(**line) for line in lines[1:]]
    return {shard.file: shard for shard in shards if _is_as_left(place, shard)}


def _lines(journal: Path) -> list[dict[str, Any]]:
    """The journal's lines, without one that was cut short."""
    if not journal.is_file():
        return []
    return [json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}")]


def _is_as_left(place: Path, shard: Shard) -> bool:
    file = place / shard.file
    return file.is_file() and file.stat().st_size == shard.size


def append(journal: Path, line: dict[str, Any]) -> None:
    """Adds a line, which is on the disk when this returns."""
    with journal.open("a") as file:
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
