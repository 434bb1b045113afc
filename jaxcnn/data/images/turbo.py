"""JPEGs through libjpeg-turbo's own interface, which OpenCV does not offer.

It skips the blocks outside a region, and it keeps its remarks on damaged files to itself, where
OpenCV's copy of the library writes them to standard error. The library is the one that the package
`turbojpeg` brings along, else the system's libturbojpeg 3. Without either, `load` returns None, and
OpenCV decodes whole images: the same pixels, more slowly.
"""

import ctypes
import ctypes.util
import functools
import importlib.metadata
import threading
from typing import NamedTuple

import numpy as np

from jaxcnn.data.images.boxes import Box

# Names and numbers of turbojpeg.h, version 3.
_DECOMPRESS = 1  # TJINIT_DECOMPRESS
_SUBSAMPLING, _WIDTH, _HEIGHT = 4, 5, 6  # TJPARAM_*
_FORMATS = {1: 6, 3: 0}  # channels -> TJPF_GRAY, TJPF_RGB
_BLOCK_WIDTHS = (8, 16, 16, 8, 8, 32, 8)  # of an MCU, in the order of TJSAMP_*
_FATAL = 1  # TJERR_FATAL; libjpeg's warnings (a stray byte, say) leave a usable picture

# With one MCU on the left and these columns on the right, the upsampling of chroma sees its true
# neighbours, so that the pixels are exact.
_RIGHT = 2


class _Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


@functools.cache
def load() -> ctypes.CDLL | None:
    """The library, or None where there is none with region decoding (version 3)."""
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            library.tj3SetCroppingRegion.argtypes = [ctypes.c_void_p, _Region]
        except (OSError, AttributeError):
            continue
        handle, image, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        pixels, pitch, pixel_format = ctypes.c_void_p, ctypes.c_int, ctypes.c_int
        library.tj3Init.restype = handle
        library.tj3Destroy.argtypes = library.tj3GetErrorCode.argtypes = [handle]
        library.tj3Get.argtypes = [handle, ctypes.c_int]
        library.tj3DecompressHeader.argtypes = [handle, image, size]
        library.tj3Decompress8.argtypes = [handle, image, size, pixels, pitch, pixel_format]
        return library
    return None


def _candidates() -> list[str]:
    found = []
    try:
        files = importlib.metadata.files("turbojpeg") or []
        found = [str(f.locate()) for f in files if f.name.startswith("libturbojpeg")]
    except importlib.metadata.PackageNotFoundError:
        pass
    system = ctypes.util.find_library("turbojpeg")
    return [*found, system] if system else found


class _Worker:
    """A decompressor and memory for its pixels; each thread has its own.

    The memory is used again, since fresh memory costs a page fault every 4 kB.
    """

    def __init__(self, library: ctypes.CDLL):
        self.library = library
        self.handle = library.tj3Init(_DECOMPRESS)
        self._memory = np.empty(1 << 20, np.uint8)

    def memory(self, shape: tuple[int, int, int]) -> np.ndarray:
        size = shape[0] * shape[1] * shape[2]
        if size > self._memory.size:
            self._memory = np.empty(size, np.uint8)
        return self._memory[:size].reshape(shape)

    def is_fatal(self) -> bool:
        return self.library.tj3GetErrorCode(self.handle) == _FATAL

    def __del__(self):
        self.library.tj3Destroy(self.handle)


_of_thread = threading.local()


class _Stored(NamedTuple):
    height: int
    width: int
    step: int  # width of an MCU in pixels


def _open(image: bytes) -> tuple[_Worker, _Stored] | None:
    """This thread's decompressor with the header of `image` read; None if that cannot be done."""
    library = load()
    if not library:
        return None
    if not hasattr(_of_thread, "worker"):
        _of_thread.worker = _Worker(library)
    worker = _of_thread.worker
    if library.tj3DecompressHeader(worker.handle, image, len(image)) and worker.is_fatal():
        return None
    subsampling = library.tj3Get(worker.handle, _SUBSAMPLING)
    if not 0 <= subsampling < len(_BLOCK_WIDTHS):
        return None
    height, width = (library.tj3Get(worker.handle, side) for side in (_HEIGHT, _WIDTH))
    return worker, _Stored(height, width, _BLOCK_WIDTHS[subsampling])


def decode(image: bytes, channels: int) -> np.ndarray | None:
    """The stored pixels of a grey or colour JPEG, uint8 [H, W, channels], not turned upright.

    None if the library is missing or refuses.
    """
    opened = _open(image)
    if not opened:
        return None
    worker, stored = opened
    pixels = np.empty((stored.height, stored.width, channels), np.uint8)
    return pixels if _decompress(worker, image, _Region(0, 0, 0, 0), pixels) else None


def decode_region(image: bytes, box: Box, channels: int) -> np.ndarray | None:
    """The box of a JPEG's stored pixels, uint8 [height, width, channels].

    None if the library is missing or refuses. The pixels hold until this thread decodes its next
    region.
    """
    opened = _open(image)
    if not opened:
        return None
    worker, stored = opened
    top, left, height, width = box
    x = max(0, left // stored.step - 1) * stored.step
    w = min(stored.width - x, left - x + width + _RIGHT)
    pixels = worker.memory((height, w, channels))
    if not _decompress(worker, image, _Region(x, top, w, height), pixels):
        return None
    return pixels[:, left - x : left - x + width]  # [height, width, channels]


def _decompress(worker: _Worker, image: bytes, region: _Region, pixels: np.ndarray) -> bool:
    """Writes `region` (all zeros: the whole image) into `pixels`; False if that failed."""
    library, handle = worker.library, worker.handle
    if library.tj3SetCroppingRegion(handle, region):
        return False
    pixel_format = _FORMATS[pixels.shape[2]]
    failed = library.tj3Decompress8(handle, image, len(image), pixels.ctypes.data, 0, pixel_format)
    return not (failed and worker.is_fatal())
