"""Headers: where files are cut short, and how large they may be."""

import resource
import struct
import zlib

import cv2
import numpy as np
import pytest
from photos import encode, picture, pillow

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.header import MAX_PIXELS, read_header
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, train_view, with_short_side
from jaxcnn.errors import DataError


def png(height, width, rows):
    """A PNG that claims height x width grey pixels and whose compressed data are `rows`."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def zeros(n):
    """`n` zero bytes, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(
        [
            *(packer.compress(bytes(1 << 20)) for _ in range(n >> 20)),
            packer.compress(bytes(n & ((1 << 20) - 1))),
            packer.flush(),
        ]
    )


def resized_header(kind, side):
    """A real image of 8 x 8 pixels whose header claims `side` x `side`."""
    image = bytearray(cv2.imencode(f".{kind}", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    if kind == "png":
        image[16:24] = struct.pack(">II", side, side)
        image[29:33] = struct.pack(">I", zlib.crc32(image[12:29]))
    else:
        frame = image.find(b"\xff\xc0")
        image[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(image)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_an_image_that_claims_gigapixels_is_not_decoded(kind):
    bomb = resized_header(kind, 60_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"photo 7 claims 60000x60000 pixels"):
        decode(bomb, 3, "photo 7")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_compressed_data_beyond_what_the_header_claims_are_not_unpacked():
    bomb = png(8, 8, zeros(256 << 20))
    assert len(bomb) < 1 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode(bomb, 1).shape == (8, 8, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_a_line_of_a_million_pixels_does_not_become_gigapixels():
    line = png(1_000_000, 1, zeros(2_000_000))  # each row is a filter byte and a pixel
    with pytest.raises(
        DataError, match=r"a line has 1000000x1 pixels, too long for a short side of 64"
    ):
        with_short_side(decode(line, 3), 64, "bilinear", "a line")
    assert eval_view(line, Preprocess(64)).shape == (64, 64, 3)
    for settings in (Data(area=(0.08, 1.0)), Data(resize=(64, 128))):
        view = train_view(line, settings, Preprocess(64), np.random.default_rng(0))
        assert view.shape == (64, 64, 3)


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
