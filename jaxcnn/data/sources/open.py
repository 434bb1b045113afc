"""Opens a source by its name: an embedded set, a folder, a TFDS dataset, or one of your own."""

from jaxcnn import own
from jaxcnn.config.schema import Data
from jaxcnn.data.sources.base import Source
from jaxcnn.data.sources.digits import Digits
from jaxcnn.data.sources.folder import Folder
from jaxcnn.data.sources.mask_folder import MaskFolder
from jaxcnn.data.sources.own import open_own
from jaxcnn.data.sources.shapes import Shapes
from jaxcnn.data.sources.tfds import open_tfds
from jaxcnn.errors import DataError


def open_source(data: Data, split: str) -> Source:
    """The examples of `split`, which may be sliced as TFDS does it: "train[:45000]", "train[10%:]".

    Raises DataError if it is not there.
    """
    if data.name == "digits":
        return Digits(split)
    if data.name == "shapes":
        return Shapes(split)
    if data.name == "folder":
        return Folder(data.data_dir, split)
    if data.name == "mask_folder":
        return MaskFolder(data.data_dir, split)
    if own.is_reference(data.name):
        return open_own(data, split)
    return open_tfds(data.name, data.data_dir, split, data.label)


def default_eval_split(source: Source) -> str:
    """The first of "test", "validation" and "val" that the dataset has; DataError if none."""
    for name in ("test", "validation", "val"):
        if name in source.splits:
            return name
    raise DataError(
        f"{source.name} has no test, validation or val split, only {', '.join(source.splits)}; "
        'set data.eval_split, for example to "train[90%:]" with data.train_split="train[:90%]"'
    )
