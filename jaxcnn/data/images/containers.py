"""The chunks that PNG and WebP files are made of: where EXIF lies, which chunks are damaged."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from jaxcnn.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # the chunks that make a PNG's pixels
_FRAME = 12  # bytes around a PNG chunk's content: length, name, checksum


class Chunk(NamedTuple):
    """`size` bytes of content at offset `start` of the file."""

    name: bytes
    start: int
    size: int


def png_chunks(image: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG up to its end, or up to where their lengths lead outside the file."""
    at, name = len(PNG), b""
    while name != b"IEND" and at + _FRAME <= len(image):
        size, name = struct.unpack(">I4s", image[at : at + 8])
        if at + _FRAME + size > len(image):
            return
        yield Chunk(name, at + 8, size)
        at += _FRAME + size


def png_exif(image: bytes) -> bytes:
    """The content of the eXIf chunk (PNG third edition, 11.3.4.5), empty if there is none."""
    for name, start, size in png_chunks(image):
        if name == b"eXIf":
            return image[start : start + size]
    return b""


def png_pixels(image: bytes, key: str) -> bytes:
    """The same PNG with nothing but the chunks that make its pixels, checksums compared.

    libpng says on standard error what it thinks of other chunks (colour profiles, dates) and of
    checksums; so it is given neither. Raises DataError, naming `key`, for a damaged chunk.
    """
    kept, whole = [PNG], True
    for name, start, size in png_chunks(image):
        if name not in _PIXELS:
            whole = False
            continue
        end = start + size
        if zlib.crc32(image[start - 4 : end]) != int.from_bytes(image[end : end + 4], "big"):
            raise DataError(
                f"{key} is damaged: the checksum of its chunk {name.decode()} at byte {start - 8} "
                "is wrong; replace the file or remove it"
            )
        kept.append(image[start - 8 : end + 4])
    return image if whole else b"".join(kept)


def webp_exif(image: bytes) -> bytes:
    """The content of the EXIF chunk of an extended WebP file, empty if there is none."""
    at = 12
    while at + 8 <= len(image):
        name, size = struct.unpack("<4sI", image[at : at + 8])
        if name == b"EXIF":
            return image[at + 8 : at + 8 + size]
        at += 8 + size + size % 2  # chunks begin at even offsets
    return b""
