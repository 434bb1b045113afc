"""Images that claim more than they are, or would become more than memory holds."""

import resource
import struct
import zlib

import cv2
import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, train_view
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
        eval_view(line, Preprocess(64), "a line")
    for settings in (Data(area=(0.08, 1.0)), Data(resize=(64, 128))):
        assert train_view(line, settings, Preprocess(64), np.random.default_rng(0)).shape == (
            64,
            64,
            3,
        )
