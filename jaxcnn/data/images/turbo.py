"""Regions of JPEGs through libjpeg-turbo's own interface, which skips the blocks outside: the one thing OpenCV cannot do.

The library is the one that the package `turbojpeg` brings along, else the system's libturbojpeg 3. Without either, `load` says so by
None and regions are cut from whole images.
"""

import ctypes
import ctypes.util
import functools
import importlib.metadata
import threading

import numpy as np

_DECOMPRESS = 1  # TJINIT_DECOMPRESS
_SUBSAMPLING, _WIDTH = 4, 5  # TJPARAM_*
_FORMATS = {1: 6, 3: 0}  # channels -> TJPF_GRAY, TJPF_RGB
_BLOCK_WIDTHS = (8, 16, 16, 8, 8, 32, 8)  # of an MCU, in the order of TJSAMP_*
_FATAL = 1  # TJERR_FATAL; libjpeg's warnings (a stray byte, say) leave a usable picture
_RIGHT = 2  # with one MCU on the left and these columns on the right, chroma upsampling sees the true neighbours: pixels are exact


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
        library.tj3Init.restype = ctypes.c_void_p
        library.tj3Destroy.argtypes = library.tj3GetErrorCode.argtypes = [ctypes.c_void_p]
        library.tj3Get.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.tj3DecompressHeader.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.tj3Decompress8.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
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
    """A decompressor and the pixels it writes to; each thread has its own, since fresh memory costs a page fault every 4 kB."""

    def __init__(self, library: ctypes.CDLL):
        self._library = library
        self.pointer = library.tj3Init(_DECOMPRESS)
        self._pixels = np.empty(1 << 20, np.uint8)

    def pixels(self, height: int, width: int, channels: int) -> np.ndarray:
        size = height * width * channels
        if size > self._pixels.size:
            self._pixels = np.empty(size, np.uint8)
        return self._pixels[:size].reshape(height, width, channels)

    def __del__(self):
        self._library.tj3Destroy(self.pointer)


_of_thread = threading.local()


def decode_region(image: bytes, box: tuple[int, int, int, int], channels: int) -> np.ndarray | None:
    """The region (top, left, height, width) of a JPEG, uint8 [height, width, channels]; None if the library is missing or refuses.

    The pixels hold until this thread decodes its next region.
    """
    library = load()
    if not library:
        return None
    if not hasattr(_of_thread, "worker"):
        _of_thread.worker = _Worker(library)
    handle = _of_thread.worker.pointer
    if (
        library.tj3DecompressHeader(handle, image, len(image))
        and library.tj3GetErrorCode(handle) == _FATAL
    ):
        return None
    subsampling = library.tj3Get(handle, _SUBSAMPLING)
    if not 0 <= subsampling < len(_BLOCK_WIDTHS):
        return None
    top, left, height, width = box
    step = _BLOCK_WIDTHS[subsampling]
    x = max(0, left // step - 1) * step
    w = min(library.tj3Get(handle, _WIDTH) - x, left - x + width + _RIGHT)
    if library.tj3SetCroppingRegion(handle, _Region(x, top, w, height)):
        return None
    pixels = _of_thread.worker.pixels(height, w, channels)
    failed = library.tj3Decompress8(
        handle, image, len(image), pixels.ctypes.data, 0, _FORMATS[channels]
    )
    if failed and library.tj3GetErrorCode(handle) == _FATAL:
        return None
    return pixels[:, left - x : left - x + width]
