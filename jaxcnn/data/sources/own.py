"""A source of the user's, by "package.module:open_source"."""

from typing import Any

from jaxcnn import own
from jaxcnn.config.schema import Data
from jaxcnn.data.sources.base import Source
from jaxcnn.errors import DataError, JaxcnnError, OwnError, one_line

OPEN = "open_source(data: jaxcnn.config.Data, split: str) -> jaxcnn.data.Source"
NEEDED = (
    "name", "split", "splits", "class_names", "image_shape", "identity", "__len__", "__getitem__",
    "fetch",
)  # fmt: skip
DEFAULTS = {"upright": True, "maps": False}  # members that a source may leave out


def open_own(data: Data, split: str) -> Source:
    """What the function that `data.name` names opens as `split`.

    Raises OwnError where it is no such function, or its result no source, and DataError where it
    fails.
    """
    reference = data.name
    function = own.find(reference, OPEN)
    own.check_call(function, reference, OPEN, data, split)
    try:
        source: Any = function(data, split)
    except JaxcnnError:
        raise
    except Exception as error:  # the user's function is a program
        raise DataError(
            f"{reference} could not open the split {split!r}: {type(error).__name__}: "
            f"{one_line(error)}"
        ) from error
    missing = [member for member in NEEDED if not hasattr(source, member)]
    if missing:
        raise OwnError(
            f"{reference} gave a {type(source).__name__}, which lacks {', '.join(missing)}; "
            f"expected {OPEN}, such as a jaxcnn.data.Listed"
        )
    for member, value in DEFAULTS.items():
        if not hasattr(source, member):
            setattr(source, member, value)
    return source
