"""The transform takes files, Pillow's images and arrays, and sees the same in all of them."""

import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data import Preprocess, transform
from jaxcnn.data.images.views import eval_view
from jaxcnn.errors import DataError

PREPROCESS = Preprocess(32, crop_fraction=0.8, mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 40.0))
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(path)
    return path


def test_every_form_of_an_image_gives_the_same_input(photo):
    view = eval_view(PIXELS, PREPROCESS).astype(np.float32)
    expected = (view - np.float32(PREPROCESS.mean)) / np.float32(PREPROCESS.std)
    forms = {
        "path": photo,
        "text": str(photo),
        "bytes": photo.read_bytes(),
        "pillow": Image.open(photo),
        "array": PIXELS,
        "batch": PIXELS[None],
        "list": [PIXELS],
    }
    for name, form in forms.items():
        found = transform(form, PREPROCESS)
        assert found.dtype == np.float32 and found.shape == (1, 32, 32, 3), name
        np.testing.assert_allclose(found[0], expected, rtol=1e-6, err_msg=name)
    mixed = transform([photo, PIXELS, Image.open(photo), [PIXELS[None]]], PREPROCESS)
    assert mixed.shape == (4, 32, 32, 3)
    np.testing.assert_allclose(mixed, np.stack([expected] * 4), rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillow_images_are_turned_as_their_files_are(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(PIXELS).save(path, exif=exif)
    np.testing.assert_array_equal(
        transform(path, PREPROCESS), transform(Image.open(path), PREPROCESS)
    )


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA", "CMYK"])
def test_pillow_images_of_every_mode(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    expected = image.convert("L" if mode in ("L", "LA", "1") else "RGB").convert("RGB")
    np.testing.assert_allclose(
        transform(image, PREPROCESS), transform(np.asarray(expected), PREPROCESS), atol=0.02
    )


def test_grey_networks_take_colour_and_grey():
    grey = Preprocess(16, 1, mean=(0.0,), std=(255.0,))
    assert transform([PIXELS, PIXELS[..., :1], PIXELS[..., 0]], grey).shape == (3, 16, 16, 1)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (
            PIXELS / 255.0,
            r"the image is an array float64 \[48, 64, 3\]; expected pixels of",
        ),
        ([PIXELS, PIXELS[..., :2]], r"image 1 is an array uint8 \[48, 64, 2\]; expected"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"array uint8 \[0, 4, 4, 3\]"),
        (pathlib.Path("/no/such.jpg"), r"/no/such.jpg cannot be read: No such file"),
        ([], "no image was given"),
        (b"no image", "the image"),
        (None, r"the image is an array object \[\]"),
    ],
)
def test_what_is_no_image_is_one_sentence(images, sentence):
    with pytest.raises(DataError, match=sentence):
        transform(images, PREPROCESS)


def test_a_damaged_image_in_a_list_is_named():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    with pytest.raises(DataError, match="image 1"):
        transform([PIXELS, file.getvalue()[:40]], PREPROCESS)
