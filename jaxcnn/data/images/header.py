"""What an image file says before it is decoded: format, size, colour components, orientation."""

import struct
from typing import NamedTuple

from jaxcnn.data.images import containers
from jaxcnn.errors import DataError

# 64 kB can claim gigapixels; 16,384 x 16,384 is far above any photograph in use.
MAX_PIXELS = 1 << 28

_EXIF = b"Exif\0\0"  # stands before the directory in JPEG, and in WebP from some programs
_ORIENTATION, _SHORT = 274, 3  # EXIF's tag and type


class Header(NamedTuple):
    """Height and width are those of the stored pixels, before `orientation` turns them upright."""

    kind: str  # "jpeg", "png" or "webp"
    height: int
    width: int
    components: int  # of a JPEG: 1 grey, 3 colour, 4 CMYK; 0 where unknown
    orientation: int  # EXIF's, 1 (upright) to 8

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) of the upright picture; orientations 5 to 8 exchange the sides."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(image: bytes, key: str = "the image") -> Header:
    """Reads the header of JPEG, PNG or WebP bytes.

    Raises DataError, naming `key`, for anything else, for a file that is cut short, and for more
    than MAX_PIXELS.
    """
    try:
        found, whole = _read(image, key)
    except (struct.error, IndexError):
        raise DataError(
            f"{key} is damaged: its header is unreadable or cut short ({len(image)} bytes)"
        ) from None
    size = f"{found.height}x{found.width}"
    if not whole:
        raise DataError(
            f"{key} is cut short: {len(image)} bytes of a {size} {found.kind} "
            "without its end marker"
        )
    if not 0 < found.height * found.width <= MAX_PIXELS:
        raise DataError(
            f"{key} claims {size} pixels; images here have between 1 and {MAX_PIXELS:,}"
        )
    return found


def _read(image: bytes, key: str) -> tuple[Header, bool]:
    """The header, and whether the file reaches its end marker."""
    if image[:2] == b"\xff\xd8":
        found, frame = _jpeg(image)
        # An EXIF thumbnail's end marker lies before the frame.
        return found, image.rfind(b"\xff\xd9") > frame
    if image[:8] == containers.PNG:
        width, height = struct.unpack(">II", image[16:24])
        orientation = _orientation(containers.png_exif(image))
        return Header("png", height, width, 0, orientation=orientation), image.rfind(b"IEND") > 0
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return _webp(image), len(image) >= struct.unpack("<I", image[4:8])[0]
    begins = f"it begins with {bytes(image[:8])!r}" if len(image) else "it is empty"
    raise DataError(f"{key} is not a JPEG, PNG or WebP image: {begins}")


def _jpeg(image: bytes) -> tuple[Header, int]:
    """The header and the offset of its frame; IndexError if no marker leads to a frame."""
    at, exif = 2, b""
    while True:
        if image[at] != 0xFF:
            raise IndexError
        marker = image[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # a marker without content
            at += 2
            continue
        (length,) = struct.unpack(">H", image[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            components, orientation = image[at + 9], _orientation(exif)
            return Header("jpeg", height, width, components, orientation=orientation), at
        # Of two EXIF segments the first counts, as in Pillow.
        if marker == 0xE1 and image[at + 4 : at + 10] == _EXIF and not exif:
            exif = image[at + 4 : at + 2 + length]
        at += 2 + length


def _webp(image: bytes) -> Header:
    kind = image[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(image[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack("<I", image[21:25])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (n & 0x3FFF for n in struct.unpack("<HH", image[26:30]))
    orientation = _orientation(containers.webp_exif(image))
    return Header("webp", height, width, 0, orientation=orientation)


def _orientation(exif: bytes) -> int:
    """Tag 274 of the first directory; 1, upright, where it is missing or makes no sense."""
    tiff = exif.removeprefix(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if not order:
        return 1
    try:
        (start,) = struct.unpack(order + "I", tiff[4:8])
        (count,) = struct.unpack(order + "H", tiff[start : start + 2])
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack(order + "HHIH", tiff[entry : entry + 10])
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
