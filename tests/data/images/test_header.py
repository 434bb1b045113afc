"""Headers: where files are cut short, and how large they may be."""

import struct
import zlib

import numpy as np
import pytest
from photos import encode, picture, pillow

from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.header import MAX_PIXELS, read_header
from jaxcnn.errors import DataError


def test_the_end_marker_of_a_thumbnail_does_not_make_a_file_whole():
    thumbnail = encode(picture(16, 16))
    image = encode(picture())
    with_thumbnail = (
        image[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + image[2:]
    )
    assert np.array_equal(decode(with_thumbnail, 3), decode(image, 3))
    with pytest.raises(DataError, match="cut short"):
        decode(with_thumbnail[:-40], 3)


def test_the_pixel_limit_admits_photographs():
    assert 100_000_000 < MAX_PIXELS < 2**31  # below what overflows a 32-bit index


def exif(orientation, order=">"):
    """A directory with one entry, tag 274, as EXIF 2.3 defines it."""
    head = (b"MM" if order == ">" else b"II") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)


def chunk(name, content):
    whole = name + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def segment(content):
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("order", "<>")
def test_orientation_of_a_png_stands_before_or_behind_its_pixels(order):
    image = encode(picture(6, 8), "PNG")
    at = {"before": 33, "behind": image.index(b"IEND") - 4}  # 33: behind the header
    for place in at.values():
        turned = image[:place] + chunk(b"eXIf", exif(6, order)) + image[place:]
        assert read_header(turned).orientation == 6
        assert np.array_equal(decode(turned, 3), pillow(turned))


def test_the_first_of_two_exif_segments_counts():
    image = encode(picture(16, 24))
    first, second = (segment(b"Exif\0\0" + exif(orientation)) for orientation in (6, 3))
    both = image[:2] + first + second + image[2:]
    assert read_header(both).orientation == 6 and read_header(both).upright == (24, 16)
    assert np.array_equal(decode(both, 3), pillow(both))


@pytest.mark.parametrize("content", [b"", b"MM", b"XX\0*", exif(6)[:9], exif(6)[:14], exif(9)])
def test_exif_that_makes_no_sense_leaves_the_image_upright(content):
    image = encode(picture(6, 8), "PNG")
    assert read_header(image[:33] + chunk(b"eXIf", content) + image[33:]).orientation == 1
