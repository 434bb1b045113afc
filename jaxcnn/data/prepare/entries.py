"""What jaxcnn prepare can read: where each image of a folder or of an archive lies.

Nothing is unpacked: an archive is scanned once for the places of its members, which are then read
where they are.
"""

import io
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from jaxcnn.data.sources.folder import Folder
from jaxcnn.errors import DataError

SYNSET = r"n\d{8}"
TRAIN = "ILSVRC2012_img_train.tar"
VALIDATION = "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"


class Entry(NamedTuple):
    """One image of a dataset."""

    path: str  # the file that holds it
    offset: int  # where it begins there, in bytes
    size: int  # in bytes; -1: up to the end of the file
    label: int
    key: str

    def read(self) -> bytes:
        with Path(self.path).open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


class Listing(NamedTuple):
    """All images of a dataset: {split: entries} and the class names in label order."""

    splits: dict[str, list[Entry]]
    class_names: list[str]


def list_folder(root: Path) -> Listing:
    """ROOT/{train,val,...}/CLASS/*.jpg; "val" becomes "validation", as TFDS calls it."""
    splits, class_names = {}, []
    visible = [e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith(".")]
    for split in sorted(visible):
        folder = Folder(str(root), split)
        class_names = folder.class_names
        splits["validation" if split == "val" else split] = [
            Entry(str(root / path), offset=0, size=-1, label=label, key=path)
            for path, label in folder.files
        ]
    return Listing(splits, class_names)


def list_ilsvrc(root: Path) -> Listing:
    """The original archives of ILSVRC 2012, those of the three that lie in `root`.

    Labels are the places of the sorted synsets, as everywhere. The validation archive needs the
    development kit, which holds its ground truth. Raises DataError if archives are missing or
    damaged.
    """
    splits: dict[str, list[Entry]] = {}
    synsets: list[str] = []
    truth: list[int] = []
    if (root / DEVKIT).is_file():
        synsets, truth = read_devkit(root / DEVKIT)
    if (root / TRAIN).is_file():
        splits["train"], synsets = _list_training(root / TRAIN, synsets)
    if (root / VALIDATION).is_file():
        if not (root / DEVKIT).is_file():
            raise DataError(
                f"{root / VALIDATION} needs {DEVKIT} beside it, "
                "which holds the labels of the validation images"
            )
        splits["validation"] = _list_validation(root / VALIDATION, truth)
    return Listing(splits, synsets)


def _list_training(archive: Path, expected: list[str]) -> tuple[list[Entry], list[str]]:
    """(images, synsets) of an archive that holds one archive a class.

    The synsets must be those `expected`, unless these are [] for unknown.
    """
    inner = [member for member in _members(archive) if member[0].endswith(".tar")]
    synsets = sorted(Path(name).stem for name, _, _ in inner)
    if strange := [name for name in synsets if not re.fullmatch(SYNSET, name)]:
        raise DataError(
            f"{archive} holds {strange[0]!r}.tar, which is no synset name like n01440764; "
            "download it again"
        )
    if expected and synsets != expected:
        raise DataError(
            f"{archive} holds {len(synsets)} classes, not the {len(expected)} of {DEVKIT}; "
            "download it again"
        )
    labels = {name: label for label, name in enumerate(synsets)}
    entries = [
        Entry(str(archive), at, size, label=labels[Path(name).stem], key=image)
        for name, start, _ in inner
        for image, at, size in _members(archive, start)
    ]
    return entries, synsets


def _list_validation(archive: Path, truth: list[int]) -> list[Entry]:
    """The images of an archive in the order of their names, labelled by `truth`."""
    images = sorted(_members(archive))
    if len(images) != len(truth):
        raise DataError(
            f"{archive} holds {len(images)} images, but {DEVKIT} labels {len(truth)}; "
            "download the archive again"
        )
    return [
        Entry(str(archive), at, size, label=label, key=name)
        for (name, at, size), label in zip(images, truth, strict=True)
    ]


def _members(archive: Path, start: int = 0) -> Iterator[tuple[str, int, int]]:
    """(name, offset, size) of the files of an uncompressed archive, which may lie in another.

    It begins at byte `start` of the file `archive`, from whose beginning the offsets count.
    """
    with archive.open("rb") as raw:
        raw.seek(start)
        try:
            with tarfile.open(fileobj=_From(raw, start), mode="r:") as tar:
                for member in tar:
                    if member.isfile():
                        yield member.name, start + member.offset_data, member.size
        except tarfile.TarError as e:
            raise DataError(
                f"{archive} is damaged at byte {start:,} ({e}); download it again"
            ) from None


class _From(io.RawIOBase):
    """A file from byte `start` on, for an archive inside an archive."""

    def __init__(self, raw: BinaryIO, start: int):
        self._raw, self._start = raw, start

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset + (self._start if whence == 0 else 0), whence) - self._start

    def tell(self) -> int:
        return self._raw.tell() - self._start

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def read_devkit(path: Path) -> tuple[list[str], list[int]]:
    """(the 1,000 synsets in sorted order, the label of each validation image).

    Raises DataError if `path` is not the development kit.
    """
    from scipy.io import loadmat

    with tarfile.open(path) as tar:
        files = {Path(member.name).name: member for member in tar if member.isfile()}
        try:
            meta = tar.extractfile(files["meta.mat"])
            truth = tar.extractfile(files["ILSVRC2012_validation_ground_truth.txt"])
        except KeyError as e:
            raise DataError(
                f"{path} lacks {e}; download the development kit of tasks 1 and 2 again"
            ) from None
        assert meta and truth
        rows = loadmat(io.BytesIO(meta.read()), squeeze_me=True)["synsets"]
        by_id = {
            int(row["ILSVRC2012_ID"]): str(row["WNID"])
            for row in rows
            if int(row["num_children"]) == 0
        }
        numbers = [int(line) for line in truth.read().split()]
    synsets = sorted(by_id.values())
    if not all(re.fullmatch(SYNSET, name) for name in synsets):
        raise DataError(
            f"{path} holds no synset names like n01440764; "
            "download the development kit of tasks 1 and 2 again"
        )
    place = {name: label for label, name in enumerate(synsets)}
    return synsets, [place[by_id[number]] for number in numbers]
