"""Reads the tensors of PyTorch's files (.pth, .pt) without torch and without running code from
them.

Such a file is a pickle that describes the tensors, and beside it the bytes of their storages: in a
zip archive since PyTorch 1.6, one after another before it. Pickles can call any function of any
module; this reader knows the few names below, and one other name refuses the whole file.
"""

import collections
import io
import math
import pathlib
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from jaxcnn.errors import DataError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
STORAGES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    count: int


class _Tensor(NamedTuple):
    """A tensor before its storage is read; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(pickle.UnpicklingError):
    """A pickle that asks for a name or a thing that no weights need."""


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(_Storage(*storage), int(offset), tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> _Tensor:
    return _Tensor(*tensor)


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
}


class _Tensors(pickle.Unpickler):
    """An unpickler that finds the names of `KNOWN` and no others."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return KNOWN[module_name, global_name]
        except KeyError:
            raise _Refused(f"{module_name}.{global_name}") from None

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise _Refused(f"a persistent object of kind {kind!r}")
        return _Storage(str(key), dtype, int(count))


def load(path: str | pathlib.Path) -> Any:
    """What `torch.save` wrote to `path`, with NumPy arrays for tensors (bfloat16 as `ml_dtypes`).

    Raises DataError where the file is damaged, is no such file, or holds more than tensors in
    dictionaries, lists and plain values.
    """
    try:
        with pathlib.Path(path).open("rb") as file:
            return _load_zip(file) if zipfile.is_zipfile(file) else _load_legacy(file)
    except _Refused as refused:
        raise DataError(
            f"{path} holds more than weights ({refused}: pickled Python objects, which can run "
            "code when loaded) and was not opened; save model.state_dict() alone and import that"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    # A pickle drives the interpreter's own types, so damage ends in any of their errors.
    except Exception as error:
        raise DataError(
            f"{path} is not a PyTorch file or is damaged ({type(error).__name__}: {error}); "
            "download it again"
        ) from None


def _load_zip(file: BinaryIO) -> Any:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        (root,) = {name.partition("/")[0] for name in names}
        order = f"{root}/byteorder"
        if order in names and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        tree = _Tensors(io.BytesIO(archive.read(f"{root}/data.pkl"))).load()

        def read(storage: _Storage) -> bytes:
            entry = archive.getinfo(f"{root}/data/{storage.key}")
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} is compressed, which PyTorch never does")
            return archive.read(entry)

        return _filled(tree, _Arrays(read))


def _load_legacy(file: BinaryIO) -> Any:
    file.seek(0)
    header = [_Tensors(file).load() for _ in range(3)]  # magic number, protocol, system
    if header[:2] != [LEGACY_MAGIC, LEGACY_PROTOCOL] or not header[2]["little_endian"]:
        raise ValueError("its first bytes are not PyTorch's")
    described = _Described(file)
    tree, keys = described.load(), _Tensors(file).load()
    contents: dict[str, bytes] = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        contents[key] = file.read(count * described.storages[key].dtype.itemsize)
    return _filled(tree, _Arrays(lambda storage: contents[storage.key]))


class _Described(_Tensors):
    """Keeps the storages that a pickle mentions: the bytes of an old file follow without types."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> _Storage:
        storage = super().persistent_load(pid)
        self.storages[storage.key] = storage
        return storage


class _Arrays:
    """Arrays of tensors, each storage read once."""

    def __init__(self, read: Callable[[_Storage], bytes]):
        self._read, self._storages = read, {}

    def __call__(self, tensor: _Tensor) -> np.ndarray:
        storage, offset, shape, strides = tensor
        if storage.key not in self._storages:
            self._storages[storage.key] = np.frombuffer(self._read(storage), storage.dtype)
        numbers = self._storages[storage.key]
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        lowest = min((0, offset, *shape, *strides))
        if 0 in shape and lowest >= 0:
            return np.zeros(shape, storage.dtype)
        if lowest < 0 or last >= len(numbers) or math.prod(shape) > len(numbers):
            raise ValueError(f"a tensor of shape {shape} lies outside its storage")
        steps = tuple(step * storage.dtype.itemsize for step in strides)
        return np.lib.stride_tricks.as_strided(
            numbers[offset:], shape, steps, writeable=False
        )  # [*shape]


def _filled(tree: Any, arrays: _Arrays) -> Any:
    if isinstance(tree, _Tensor):
        return arrays(tree)
    if isinstance(tree, dict):
        return {key: _filled(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_filled(value, arrays) for value in tree]
    return tree
