"""Decoding and host views against Pillow, an independent decoder and resizer, on made-up and on real files."""

import io
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode, decode_region
from jaxcnn.data.images.header import MAX_PIXELS, read_header
from jaxcnn.data.images.preprocess import Preprocess, decode_pixel_mean, encode_pixel_mean
from jaxcnn.data.images.views import check_crops, eval_view, random_area, random_scale, train_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError


def picture(height=60, width=90, channels=3, seed=0):
    """A smooth colourful image: JPEG keeps it within a few grey levels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 6, channels), np.uint8)
    image = Image.fromarray(coarse if channels == 3 else coarse[..., 0])
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC)).reshape(
        height, width, channels
    )


def encode(pixels, kind="JPEG", **options):
    buffer = io.BytesIO()
    image = (
        pixels
        if isinstance(pixels, Image.Image)
        else Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    )
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pillow(image, mode="RGB"):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(image))).convert(mode)).reshape(
        *decode(image).shape[:2], -1
    )


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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = encode(picture(), exif=exif)
    assert read_header(image).orientation == orientation
    upright = pillow(image)
    assert np.array_equal(decode(image, 3), upright)
    assert upright.shape[:2] == ((90, 60) if orientation >= 5 else (60, 90))
    region = decode_region(image, lambda size: (size[0] // 3, 7, 20, 11), 3)
    assert np.array_equal(region, upright[upright.shape[0] // 3 :][:20, 7:18])


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    subsampling=st.sampled_from([0, 1, 2]),
    channels=st.sampled_from([1, 3]),
    progressive=st.booleans(),
)
def test_a_region_is_what_the_whole_image_has_there(data, subsampling, channels, progressive):
    image = encode(
        picture(73, 131, seed=1), subsampling=subsampling, progressive=progressive, quality=80
    )
    height, width = data.draw(st.integers(1, 73)), data.draw(st.integers(1, 131))
    top, left = data.draw(st.integers(0, 73 - height)), data.draw(st.integers(0, 131 - width))
    region = decode_region(image, lambda size: (top, left, height, width), channels)
    assert np.array_equal(region, decode(image, channels)[top : top + height, left : left + width])


def test_real_files_decode_alike_by_region_and_whole(test_data, monkeypatch):
    """And alike without the library that decodes regions, so that a run does not depend on what is installed."""
    source = open_source(Data(name="imagenet2012", data_dir=str(test_data)), "train[:40]")
    data, preprocess = Data(area=(0.08, 1.0)), Preprocess(64)
    views = [
        train_view(e.image, data, preprocess, np.random.default_rng(i), e.key)
        for i, e in enumerate(source)
    ]
    monkeypatch.setattr("jaxcnn.data.images.turbo.load", lambda: None)
    for i, example in enumerate(source):
        again = train_view(example.image, data, preprocess, np.random.default_rng(i), example.key)
        assert np.array_equal(views[i], again), example.key
        assert np.abs(decode(example.image, 3).astype(int) - pillow(example.image)).max() <= 1, (
            example.key
        )


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


def torchvision_view(image, short, size, resample):
    """Resize(short), CenterCrop(size) as torchvision's transforms do it on a Pillow image."""
    photo = Image.open(io.BytesIO(image)).convert("RGB")
    width, height = photo.size
    to = (
        (short, int(short * height / width))
        if width <= height
        else (int(short * width / height), short)
    )
    photo = photo.resize(to, resample)
    top, left = round((to[1] - size) / 2), round((to[0] - size) / 2)
    return np.asarray(photo.crop((left, top, left + size, top + size)))


@pytest.mark.parametrize("shape", [(333, 500), (500, 375), (256, 256), (224, 300), (100, 90)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_evaluation_view_is_torchvisions(shape, interpolation):
    image = encode(picture(*shape))
    seen = eval_view(image, Preprocess(224, crop_fraction=0.875, interpolation=interpolation))
    expected = torchvision_view(image, 256, 224, Image.Resampling[interpolation.upper()])
    assert np.abs(seen.astype(int) - expected).max() <= 1


def test_views_of_grey_colour_padded_and_elongated_images():
    grey = picture(28, 28, 1)
    padded = eval_view(grey, Preprocess(32, 1, pad=2))
    assert (
        np.array_equal(padded[2:-2, 2:-2], grey) and padded[:2].max() == padded[:, -2:].max() == 0
    )
    assert np.array_equal(eval_view(grey, Preprocess(28, 3)), np.repeat(grey, 3, axis=2))
    luminance = eval_view(picture(28, 28), Preprocess(28, 1))[..., 0]
    assert np.abs(luminance - picture(28, 28) @ [0.299, 0.587, 0.114]).max() <= 1
    for shape in [(1, 1), (1, 400), (400, 1), (3, 500)]:
        for data in (Data(), Data(area=(0.08, 1.0)), Data(resize=(32, 48))):
            for interpolation in ("bilinear", "bicubic", "area", "nearest"):
                view = train_view(
                    encode(picture(*shape)),
                    data,
                    Preprocess(32, interpolation=interpolation),
                    np.random.default_rng(0),
                )
                assert view.shape == (32, 32, 3) and view.dtype == np.uint8


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32))
def test_boxes_lie_inside_and_keep_their_ranges(height, width, seed):
    top, left, h, w = random_area(
        (height, width), (0.08, 1.0), (0.75, 4 / 3), np.random.default_rng(seed)
    )
    assert min(top, left) >= 0 and min(h, w) >= 1 and top + h <= height and left + w <= width
    if min(height, width) > 100 and 0.75 < width / height < 4 / 3:
        assert 0.078 <= h * w / (height * width) <= 1 and 0.74 <= w / h <= 1.35
    top, left, h, w = random_scale((height, width), (256, 512), 224, np.random.default_rng(seed))
    assert h == w and 0 <= top <= height - h and 0 <= left <= width - w
    assert 224 / 512 * min(height, width) - 1 <= h <= 224 / 256 * min(height, width) + 1


def test_boxes_are_spread_as_the_papers_say():
    rng = np.random.default_rng(0)
    size = (1000, 1000)
    boxes = np.array([random_area(size, (0.08, 0.5), (0.75, 4 / 3), rng) for _ in range(4000)])
    area = boxes[:, 2] * boxes[:, 3] / 1e6
    assert area.mean() == pytest.approx(0.29, abs=0.006) and area.var() == pytest.approx(
        0.42**2 / 12, rel=0.06
    )
    shape = np.log(boxes[:, 3] / boxes[:, 2])
    assert shape.mean() == pytest.approx(0, abs=0.01) and shape.var() == pytest.approx(
        (2 * math.log(4 / 3)) ** 2 / 12, rel=0.06
    )
    place = boxes[:, 0] / (1000 - boxes[:, 2])
    assert place.mean() == pytest.approx(0.5, abs=0.02) and place.var() == pytest.approx(
        1 / 12, rel=0.06
    )
    shorts = (
        224 * 1000 / np.array([random_scale(size, (256, 512), 224, rng)[2] for _ in range(4000)])
    )
    assert shorts.mean() == pytest.approx(384, abs=5) and shorts.var() == pytest.approx(
        (257**2 - 1) / 12, rel=0.06
    )


def test_a_crop_shows_what_its_box_holds():
    """An image whose red is its column and whose green is its row tells where a crop came from."""
    rows, columns = np.mgrid[0:200, 0:200]
    pixels = np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    for seed in range(20):
        view = train_view(
            pixels, Data(resize=(64, 128)), Preprocess(64), np.random.default_rng(seed)
        ).astype(float)
        top, left, side, _ = random_scale((200, 200), (64, 128), 64, np.random.default_rng(seed))
        assert view[32, :, 0].mean() == pytest.approx(left + (side - 1) / 2, abs=1)
        assert view[:, 32, 1].mean() == pytest.approx(top + (side - 1) / 2, abs=1)
        assert view[32, -1, 0] - view[32, 0, 0] == pytest.approx(side - side / 64, abs=2)


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(DataError, match="below the 224 pixels"):
        check_crops(Data(resize=(200, 256)), Preprocess(224))


def test_preprocessing_travels():
    mean = np.random.default_rng(0).uniform(0, 255, (17, 17, 3))
    before = Preprocess(
        17, 3, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.5), pixel_mean=encode_pixel_mean(mean)
    )
    assert Preprocess.from_dict(before.to_dict()) == before
    assert np.abs(decode_pixel_mean(before.pixel_mean) - mean).max() <= 1 / 512 + 1e-6
    assert np.array_equal(before.offset(), decode_pixel_mean(before.pixel_mean))
    grey = decode_pixel_mean(encode_pixel_mean(mean[..., :1]))
    assert grey.shape == (17, 17, 1) and np.abs(grey - mean[..., :1]).max() <= 1 / 512 + 1e-6
