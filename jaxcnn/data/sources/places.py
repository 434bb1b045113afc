"""Where a TFDS data directory holds a dataset, and what to say where it does not."""

import os
from pathlib import Path

from jaxcnn.errors import DataError, did_you_mean


def default_data_dir() -> Path:
    """TFDS's own default: $TFDS_DATA_DIR, else ~/tensorflow_datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def find_version(name: str, root: Path) -> Path:
    """The directory `DATASET[/CONFIG]/VERSION` below `root` for `dataset[/config][:version]`.

    It is that of the newest version unless one is named. Raises DataError if there is none.
    """
    path, _, wanted = name.partition(":")
    found = _versions(root / path)
    if not found:
        configs = [d for d in _folders(root / path) if _versions(d)]
        if len(configs) > 1:
            names = ", ".join(f"{path}/{d.name}" for d in configs)
            raise DataError(
                f"{path} in {root.absolute()} has several configurations, {names}; "
                "set data.name to one of them"
            )
        found = _versions(configs[0]) if configs else []
    if not found:
        raise DataError(_missing(path, root))
    if not wanted:
        return found[-1]
    for place in found:
        if place.name == wanted:
            return place
    there = ", ".join(place.name for place in found)
    raise DataError(
        f"{path} has no version {wanted} in {root.absolute()}; the versions there are {there}: "
        f"set data.name={path} for the newest, or run: {build_command(f'{path}:{wanted}', root)}"
    )


def _folders(place: Path) -> list[Path]:
    return sorted(p for p in place.iterdir() if p.is_dir()) if place.is_dir() else []


def _versions(place: Path) -> list[Path]:
    """Prepared versions below `place`, oldest first."""
    found = [
        p
        for p in _folders(place)
        if (p / "features.json").is_file() and p.name.replace(".", "").isdigit()
    ]
    return sorted(found, key=lambda p: [int(n) for n in p.name.split(".")])


def build_command(name: str, root: Path) -> str:
    return f"tfds build {name} --file_format=array_record --data_dir={root.absolute()}"


def _missing(name: str, root: Path) -> str:
    """The sentence for a dataset that is not below `root`: what is there, what would prepare it."""
    from tensorflow_datasets import list_builders

    searched = f'dataset "{name}" was looked for in {root.absolute()}, {_lies(name, root)}'
    known = [*list_builders(with_community_datasets=False), "digits", "folder"]
    base = name.split("/")[0]
    if base in known:
        command = build_command(name, root)
        if base == "imagenet2012":
            command += " (from the original archives: jaxcnn prepare --help)"
        return f"{searched}; set data.data_dir, or prepare it with: {command}"
    hint = did_you_mean(base, known) or (
        ': use "digits", "folder" or a TFDS image-classification dataset'
    )
    return f"{searched}; TFDS knows no dataset of that name either{hint}"


def _lies(name: str, root: Path) -> str:
    """What lies in `root`, or of the dataset in it."""
    place = root / name
    if not root.is_dir():
        return "which does not exist"
    if place.is_dir():
        inside = sorted(p.name for p in place.iterdir())[:8]
        only = ", ".join(inside) or "nothing"
        return f"where {name}/ holds no finished version (features.json is missing), only {only}"
    there = [p.name for p in _folders(root) if _versions(p) or any(map(_versions, _folders(p)))]
    return f"which holds {', '.join(there) or 'no TFDS dataset'}"
