"""Views of images against torchvision's arithmetic and against what a crop must show."""

import io

import numpy as np
import pytest
from photos import encode, picture
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.boxes import random_scale
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import check_crops, eval_view, middle, train_view, with_short_side
from jaxcnn.errors import DataError


def torchvision_resized(image, short, resample):
    """Resize(short) as torchvision's transforms do it on a Pillow image."""
    photo = Image.open(io.BytesIO(image)).convert("RGB")
    width, height = photo.size
    if width <= height:
        return photo.resize((short, int(short * height / width)), resample)
    return photo.resize((int(short * width / height), short), resample)


def torchvision_center(photo, size):
    """CenterCrop(size)."""
    left, top = (round((side - size) / 2) for side in photo.size)
    return photo.crop((left, top, left + size, top + size))


def torchvision_view(image, short, size, resample):
    return np.asarray(torchvision_center(torchvision_resized(image, short, resample), size))


@pytest.mark.parametrize("shape", [(333, 500), (500, 375), (256, 256), (224, 300), (100, 90)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_evaluation_view_is_torchvisions(shape, interpolation):
    image = encode(picture(*shape))
    seen = eval_view(image, Preprocess(224, crop_fraction=0.875, interpolation=interpolation))
    expected = torchvision_view(image, 256, 224, Image.Resampling[interpolation.upper()])
    assert np.abs(seen.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(333, 500), (500, 375), (256, 256), (224, 300)])
def test_evaluation_of_a_square_frame_cuts_twice(shape):
    """AlexNet section 2: the central 256 x 256 first, then the crop from that."""
    image = encode(picture(*shape))
    seen = eval_view(image, Preprocess(227, crop_fraction=227 / 256, frame="square"))
    square = torchvision_center(torchvision_resized(image, 256, Image.Resampling.BILINEAR), 256)
    expected = np.asarray(torchvision_center(square, 227))
    assert np.abs(seen.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(333, 500), (500, 375), (40, 900)])
def test_evaluation_of_a_warped_frame_shows_all_of_the_image(shape):
    """Caffe resizes to 256 x 256 whatever the shape."""
    image = encode(picture(*shape))
    seen = eval_view(image, Preprocess(227, crop_fraction=227 / 256, frame="warp"))
    warped = Image.fromarray(decode(image, 3)).resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(torchvision_center(warped, 227))
    assert np.abs(seen.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("frame", ["rectangle", "square", "warp"])
def test_training_crops_lie_where_their_frame_says(frame):
    """The red of this image is its column, its green its row."""
    rows, columns = np.mgrid[0:100, 0:200]
    pixels = np.stack([columns, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    data, preprocess = Data(resize=(64, 64), frame=frame), Preprocess(56, frame=frame)
    views = [
        train_view(pixels, data, preprocess, np.random.default_rng(seed)) for seed in range(40)
    ]
    reach = np.stack(views)[..., 0]
    left, right = {"rectangle": (0, 199), "square": (50, 149), "warp": (0, 199)}[frame]
    assert left <= reach.min() <= left + 8 and right - 8 <= reach.max() <= right
    spans = reach[..., -1].astype(int) - reach[..., 0]
    share = 200 if frame == "warp" else 100
    assert np.abs(spans - share * 55 / 64).max() <= 3


@pytest.mark.parametrize("shape", [(3, 200), (201, 2), (1, 333)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_the_middle_of_a_long_picture_is_seen_as_if_all_of_it_were_resized(shape, interpolation):
    pixels = picture(*shape)
    seen = eval_view(pixels, Preprocess(64, crop_fraction=0.875, interpolation=interpolation))
    image = encode(pixels, "PNG")
    expected = torchvision_view(image, 73, 64, Image.Resampling[interpolation.upper()])
    assert np.abs(seen.astype(int) - expected).max() <= 2


def test_a_line_of_pixels_costs_no_more_than_a_photograph():
    for shape in [(1, 65_000), (65_000, 1), (2, 65_001)]:
        part = middle(np.zeros((*shape, 3), np.uint8))
        resized = with_short_side(part, 256, "bilinear")
        assert resized.shape[0] * resized.shape[1] <= 17 * 256**2
        assert (max(shape) - max(part.shape)) % 2 == 0
    photograph = np.zeros((300, 4000, 3), np.uint8)
    assert middle(photograph).shape == photograph.shape


def test_views_of_grey_colour_and_padded_images():
    grey = picture(28, 28, 1)
    padded = eval_view(grey, Preprocess(32, 1, pad=2))
    assert np.array_equal(padded[2:-2, 2:-2], grey)
    assert padded[:2].max() == padded[:, -2:].max() == 0
    assert np.array_equal(eval_view(grey, Preprocess(28, 3)), np.repeat(grey, 3, axis=2))
    luminance = eval_view(picture(28, 28), Preprocess(28, 1))[..., 0]
    assert np.abs(luminance - picture(28, 28) @ [0.299, 0.587, 0.114]).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (3, 500)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area", "nearest"])
def test_images_of_any_shape_have_views(shape, interpolation):
    image = encode(picture(*shape))
    for frame in ("rectangle", "square", "warp"):
        preprocess = Preprocess(32, interpolation=interpolation, frame=frame)
        for data in (Data(), Data(area=(0.08, 1.0)), Data(resize=(32, 48))):
            view = train_view(image, data, preprocess, np.random.default_rng(0))
            assert view.shape == (32, 32, 3) and view.dtype == np.uint8


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
