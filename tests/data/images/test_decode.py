"""Decoding against Pillow, an independent decoder, on made-up and on real files."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import encode, picture, pillow
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode, decode_region
from jaxcnn.data.images.header import read_header
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import train_view
from jaxcnn.errors import DataError


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
def test_decodes_like_pillow(kind, channels):
    image = encode(picture(channels=channels), kind)
    found = read_header(image)
    assert (found.height, found.width) == (60, 90)
    assert np.abs(decode(image, 3).astype(int) - pillow(image)).max() <= 1
    if kind != "WEBP":
        assert decode(image).shape == (60, 90, channels)
        assert np.abs(decode(image, 1).astype(int) - pillow(image, "L")).max() <= 2


def test_palette_alpha_and_sixteen_bits_become_rgb():
    pixels = picture()
    palette = Image.fromarray(pixels).quantize(32)
    assert np.array_equal(decode(encode(palette, "PNG"), 3), np.asarray(palette.convert("RGB")))
    clear = Image.fromarray(np.concatenate([pixels, np.full((60, 90, 1), 128, np.uint8)], axis=2))
    assert np.array_equal(decode(encode(clear, "PNG"), 3), pixels)
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    assert np.array_equal(decode(encode(deep, "PNG"), 1)[..., 0], pixels[..., 0])


def test_cmyk_becomes_rgb():
    pixels = picture()
    image = encode(Image.fromarray(pixels).convert("CMYK"))
    assert read_header(image).components == 4
    assert np.abs(decode(image, 3).astype(int) - pillow(image)).max() <= 3


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    orientation=st.integers(1, 8),
    height=st.integers(1, 40),
    width=st.integers(1, 90),
)
def test_every_box_of_every_orientation_is_pillows(data, kind, orientation, height, width):
    options = {"lossless": True} if kind == "WEBP" else {}
    image = encode(picture(height, width), kind, orientation=orientation, **options)
    upright = pillow(image)
    assert upright.shape[:2] == ((width, height) if orientation >= 5 else (height, width))
    assert np.abs(decode(image, 3).astype(int) - upright).max() <= 1
    assert decode(image, 3, upright=False).shape == (height, width, 3)

    def cut(size):
        h, w = (data.draw(st.integers(1, side)) for side in size)
        box = data.draw(st.integers(0, size[0] - h)), data.draw(st.integers(0, size[1] - w)), h, w
        boxes.append(box)
        return box

    boxes = []
    region = decode_region(image, cut, 3)
    ((top, left, h, w),) = boxes
    expected = upright[top : top + h, left : left + w]
    assert region.shape == expected.shape and np.abs(region.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_crop_of_a_turned_image_is_never_empty(kind):
    image = encode(picture(20, 80), kind, orientation=6)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        assert train_view(image, Data(area=(0.08, 1.0)), Preprocess(16), rng).shape == (16, 16, 3)


def bomb():
    """A PNG whose header claims 100,000 x 100,000 pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + end
    )


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"<html>404 not found</html>", "not a JPEG, PNG or WebP"),
    "gif": (b"GIF89a" + bytes(20), "not a JPEG, PNG or WebP"),
    "two bytes": (b"\xff\xd8", "cut short"),
    "bomb": (bomb(), "100000x100000 pixels"),
    "zeros after the header": (encode(picture())[:300] + bytes(500) + b"\xff\xd9", "damaged"),
    "png with a flipped byte": (
        encode(picture(), "PNG")[:200] + b"\x00" * 40 + encode(picture(), "PNG")[240:],
        "damaged|decoded",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_sentence_that_names_the_record(name):
    image, expected = DAMAGED[name]
    with pytest.raises(DataError, match=expected) as error:
        decode(image, 3, "train record 17")
    assert str(error.value).startswith("train record 17 ") and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_cut_goes_unnoticed(kind):
    image = encode(picture(), kind)
    for length in range(0, len(image) - 12, len(image) // 40 + 1):
        with pytest.raises(DataError):
            decode(image[:length], 3)
        with pytest.raises(DataError):
            train_view(
                image[:length], Data(area=(0.5, 1.0)), Preprocess(32), np.random.default_rng(0)
            )


def spoilt():
    """Files on which libjpeg and libpng have remarks: ends missing, stray bytes, odd profiles."""
    jpeg, png = encode(picture()), encode(picture(), "PNG")
    profile = encode(picture(), "PNG", icc_profile=b"no profile" * 20)
    return {
        "half a jpeg": jpeg[: len(jpeg) // 2] + b"\xff\xd9",
        "zeros in a jpeg": jpeg[:700] + bytes(500) + b"\xff\xd9",
        "stray bytes in a jpeg": jpeg[:-200] + b"\x00\x11\x22" + jpeg[-200:],
        "zeros in a png": png[:200] + bytes(40) + png[240:],
        "a checksum in a png": png[:-30] + bytes(6) + png[-24:],
        "a profile in a png": profile,
        "a date in a png": png[:33] + struct.pack(">I4sI", 0, b"tIME", 0) + png[33:],
    }


@pytest.mark.parametrize("name", spoilt())
def test_decoders_keep_their_remarks_to_themselves(name, capfd):
    with contextlib.suppress(DataError):
        decode(spoilt()[name], 3)
    with contextlib.suppress(DataError):
        train_view(spoilt()[name], Data(area=(0.5, 1.0)), Preprocess(32), np.random.default_rng(0))
    assert capfd.readouterr() == ("", "")


def test_chunks_that_make_no_pixels_change_none():
    image = encode(picture(), "PNG")
    with_profile = encode(picture(), "PNG", icc_profile=b"no profile" * 20)
    assert with_profile != image and np.array_equal(decode(with_profile, 3), decode(image, 3))
