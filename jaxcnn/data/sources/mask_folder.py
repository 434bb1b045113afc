"""A folder of images and masks.

They are `ROOT/{train,val}/images/*.jpg` and `ROOT/{train,val}/masks/*.png`.
"""

from pathlib import Path

from jaxcnn.data.sources.base import Example, Indices, own_split, split_indices, split_names
from jaxcnn.data.sources.folder import digest_of, images_below, subfolders
from jaxcnn.errors import DataError, UnreadableError, printable

CLASSES = "classes.txt"
LAYOUT = (
    "expected ROOT/train/images/NAME.jpg, ROOT/train/masks/NAME.png and ROOT/classes.txt "
    "with data.data_dir=ROOT"
)


class MaskFolder:
    """One split of ROOT; a mask's pixels are numbers of lines of classes.txt from 0, 255 is void.

    Images and masks belong together by their names without the suffix. Images are taken as they
    are stored, since a mask knows nothing of EXIF.
    """

    name = "mask_folder"
    image_shape: tuple[int, int, int] | None = None
    upright = False
    maps = True

    def __init__(self, root: str, split: str):
        if not root:
            raise DataError(f'data.name="mask_folder" needs data.data_dir; {LAYOUT}')
        self._root = Path(root)
        names = [n for n in subfolders(self._root, "split") if (self._root / n / "images").is_dir()]
        if not names:
            raise DataError(f"{self._root.absolute()} has no folder */images; {LAYOUT}")
        self.split = own_split(split, names)
        self.class_names = _class_names(self._root / CLASSES)
        wanted = split_names(self.split)
        listed = {name: _pairs(self._root, name) for name in names if name in wanted}
        self.splits = {name: len(listed[name]) if name in listed else -1 for name in names}
        parts = split_indices(self.split, self.splits, str(self._root))
        self.files = [listed[name][i] for name, indices in parts for i in indices]
        marked = digest_of([("\0".join(pair), 0) for pair in self.files])
        self.identity = f"mask_folder {self._root.resolve()} {self.split} {marked}"

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Example:
        image, mask = (self._root / path for path in self.files[index])
        try:
            return Example(image.read_bytes(), mask.read_bytes(), printable(str(image)))
        except OSError as error:
            raise UnreadableError(
                f"{error.filename} cannot be read: {error.strerror}; restore the file or mount its "
                "disk again, then run the same command"
            ) from None

    def fetch(self, indices: Indices) -> list[Example]:
        return [self[int(i)] for i in indices]


def _class_names(path: Path) -> list[str]:
    """The lines of classes.txt; the first is class 0, usually the background."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read ({error}); write the names of the classes there, one a line, "
            "class 0 first"
        ) from None
    names = [printable(line.strip()) for line in lines if line.strip()]
    if not 2 <= len(names) <= 255:
        raise DataError(f"{path} names {len(names)} classes; expected 2 to 255, one a line")
    return names


def _pairs(root: Path, split: str) -> list[tuple[str, str]]:
    """[(image, mask)] of a split, paths below ROOT; DataError where one has no other."""
    images = images_below(root, root / split / "images")
    place = root / split / "masks"
    if not place.is_dir():
        raise DataError(f"{place.absolute()} is not a folder; {LAYOUT}")
    masks = {Path(path).stem: path for path in images_below(root, place)}
    alone = [path for path in images if Path(path).stem not in masks]
    if alone:
        raise DataError(
            f"{len(alone)} images of {root / split} have no mask, the first is {alone[0]}; add "
            f"{place / Path(alone[0]).stem}.png or remove the image"
        )
    return [(path, masks[Path(path).stem]) for path in images]
