"""A folder of images, ROOT/{train,val,test}/CLASS/*.jpg: the last folder is an image's class."""

import hashlib
import os
from pathlib import Path

from jaxcnn.data.sources.base import Example, Indices, own_split, split_indices, split_names
from jaxcnn.errors import DataError, UnreadableError, printable

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Folder:
    """One split of ROOT, classes and files in alphabetical order, images turned as EXIF says.

    Files and folders whose names begin with a dot do not count.
    """

    name = "folder"
    image_shape: tuple[int, int, int] | None = None
    upright = True
    maps = False

    def __init__(self, root: str, split: str):
        if not root:
            raise DataError(
                'data.name="folder" needs data.data_dir, '
                "the folder ROOT that holds ROOT/train/CLASS/*.jpg"
            )
        self._root = Path(root)
        names = subfolders(self._root, "split")
        self.split = own_split(split, names)
        reference = "train" if "train" in names else names[0]
        self._classes = subfolders(self._root / reference, "class")
        # They are drawn, logged and written line by line.
        self.class_names = [printable(name) for name in self._classes]
        wanted = split_names(self.split)
        listed = {name: self._list(name) for name in names if name in wanted}
        # A split that nobody asked for is not listed: it may hold a million files.
        self.splits = {name: len(listed[name]) if name in listed else -1 for name in names}
        parts = split_indices(self.split, self.splits, str(self._root))
        self.files = [listed[name][i] for name, indices in parts for i in indices]
        self.identity = f"folder {self._root.resolve()} {self.split} {digest_of(self.files)}"

    def _list(self, base: str) -> list[tuple[str, int]]:
        """[(path below ROOT, label)] of one split."""
        classes = subfolders(self._root / base, "class")
        unknown = sorted(set(classes) - set(self._classes))
        if unknown:
            raise DataError(
                f"{self._root / base} has {len(unknown)} classes that the training folder does not "
                f"have: {', '.join(unknown[:5])}; "
                "the classes of an evaluation folder must be among those of the training folder"
            )
        files = []
        for label, name in enumerate(self._classes):
            found = images_below(self._root, self._root / base / name) if name in classes else []
            if not found and base == "train":
                raise DataError(
                    f"{self._root / base / name} holds no images ({', '.join(SUFFIXES)}); "
                    "put some there or remove the empty class"
                )
            files += [(path, label) for path in found]
        return files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Example:
        path, label = self.files[index]
        whole = self._root / path
        try:
            return Example(whole.read_bytes(), label, printable(str(whole)))
        except OSError as error:
            raise UnreadableError(
                f"{whole} cannot be read: {error.strerror}; restore the file or mount its disk "
                "again, then run the same command"
            ) from None

    def fetch(self, indices: Indices) -> list[Example]:
        return [self[int(i)] for i in indices]


def digest_of(files: list[tuple[str, int]]) -> str:
    """The same text for the same files and labels, in every process."""
    lines = (b"%s\0%d\n" % (os.fsencode(path), label) for path, label in files)
    return hashlib.blake2b(b"".join(lines), digest_size=16).hexdigest()


def subfolders(folder: Path, kind: str) -> list[str]:
    """Names of the visible folders in `folder`, sorted; DataError says what is there instead."""
    if not folder.is_dir():
        raise DataError(
            f"{folder.absolute()} is not a folder; expected ROOT/train/CLASS/*.jpg and "
            "ROOT/val/CLASS/*.jpg with data.data_dir=ROOT"
        )
    names = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    if not names:
        files = sum(1 for _ in os.scandir(folder))
        raise DataError(
            f"{folder.absolute()} holds {files} files but no {kind} folders; "
            "expected ROOT/train/CLASS/*.jpg with data.data_dir=ROOT"
        )
    return names


def images_below(root: Path, folder: Path) -> list[str]:
    """Image files anywhere below `folder`, relative to `root`, sorted.

    A link that leads out of `root` raises DataError. Pipes and devices do not count: reading one
    would wait for ever.
    """
    found, unseen = [], [str(folder)]
    inside = root.resolve()
    while unseen:
        # Read to its end, so that an error below leaves nothing open.
        for entry in list(os.scandir(unseen.pop())):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                unseen.append(entry.path)
            elif entry.name.lower().endswith(SUFFIXES):
                if entry.is_symlink():
                    _check_link(Path(entry.path), inside)
                if entry.is_file():
                    found.append(os.path.relpath(entry.path, root))
    return sorted(found)


def _check_link(path: Path, inside: Path) -> None:
    # Unlike Path.resolve, this takes links that lead in a circle.
    target = Path(os.path.realpath(path))
    if not target.exists():
        raise DataError(
            f"{path} is a link that leads nowhere, to {target}; restore the file or remove the link"
        )
    if not target.is_relative_to(inside):
        raise DataError(
            f"{path} is a link to {target}, outside {inside}; copy the file in, "
            "or link the folder of the whole class"
        )
