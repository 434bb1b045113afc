"""What an image file says about itself before anything is decoded: format, size, colour components, orientation."""

import struct
from typing import NamedTuple

from jaxcnn.errors import DataError

MAX_PIXELS = (
    1 << 28
)  # 64 kB can claim gigapixels; 16,384 x 16,384 is far above any photograph in use


class Header(NamedTuple):
    """Height and width are those of the stored pixels, before `orientation` (EXIF, 1 to 8) turns them upright."""

    kind: str  # "jpeg", "png" or "webp"
    height: int
    width: int
    components: int  # of a JPEG: 1 grey, 3 colour, 4 CMYK; 0 where unknown
    orientation: int


def read_header(image: bytes, key: str = "the image") -> Header:
    """Reads the header of JPEG, PNG or WebP bytes.

    Raises DataError, naming `key`, for anything else, for a file that is cut short, and for more than MAX_PIXELS.
    """
    try:
        if image[:2] == b"\xff\xd8":
            found, frame = _jpeg(image)
            whole = (
                image.rfind(b"\xff\xd9") > frame
            )  # an EXIF thumbnail's end marker lies before the frame
        elif image[:8] == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack(">II", image[16:24])
            found, whole = Header("png", height, width, 0, 1), image.rfind(b"IEND") > 0
        elif image[:4] == b"RIFF" and image[8:12] == b"WEBP":
            found, whole = _webp(image), len(image) >= struct.unpack("<I", image[4:8])[0]
        else:
            begins = f"it begins with {bytes(image[:8])!r}" if len(image) else "it is empty"
            raise DataError(f"{key} is not a JPEG, PNG or WebP image: {begins}")
    except (struct.error, IndexError):
        raise DataError(
            f"{key} is damaged: its header is unreadable or cut short ({len(image)} bytes)"
        ) from None
    if not whole:
        raise DataError(
            f"{key} is cut short: {len(image)} bytes of a {found.height}x{found.width} {found.kind} without its end marker"
        )
    if not 0 < found.height * found.width <= MAX_PIXELS:
        raise DataError(
            f"{key} claims {found.height}x{found.width} pixels; images here have between 1 and {MAX_PIXELS:,}"
        )
    return found


def _jpeg(image: bytes) -> tuple[Header, int]:
    """The header and the offset of the frame in it; IndexError if the markers do not lead to a frame."""
    at, orientation = 2, 1
    while True:
        if image[at] != 0xFF:
            raise IndexError
        marker = image[at + 1]
        if (
            marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8
        ):  # fill byte, or a marker without content
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", image[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", image[at + 5 : at + 9])
            return Header("jpeg", height, width, image[at + 9], orientation), at
        if marker == 0xE1 and image[at + 4 : at + 10] == b"Exif\0\0":
            orientation = _exif_orientation(image[at + 10 : at + 2 + length])
        at += 2 + length


def _exif_orientation(tiff: bytes) -> int:
    """Tag 274 of the first directory, 1 where it is missing or makes no sense."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if not order:
            return 1
        (start,) = struct.unpack(order + "I", tiff[4:8])
        (count,) = struct.unpack(order + "H", tiff[start : start + 2])
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack(order + "HHIH", tiff[entry : entry + 10])
            if tag == 274:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _webp(image: bytes) -> Header:
    kind = image[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(image[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack("<I", image[21:25])
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (n & 0x3FFF for n in struct.unpack("<HH", image[26:30]))
    return Header("webp", height, width, 0, 1)
