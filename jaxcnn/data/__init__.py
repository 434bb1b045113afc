"""Images in, batches of uint8 out; no JAX."""

from jaxcnn.data.images.inputs import transform
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources.base import Example, Source
from jaxcnn.data.sources.listed import Listed
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError, UnreadableError

__all__ = [
    "DataError",
    "Example",
    "Listed",
    "Preprocess",
    "Source",
    "UnreadableError",
    "batches",
    "open_source",
    "resolve",
    "transform",
]
