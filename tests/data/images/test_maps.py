"""Label maps are cut as their images are."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.config.schema import Data
from jaxcnn.data.images.maps import VOID, decode_map, eval_pair, train_pair
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.pipeline.order import example_rng
from jaxcnn.errors import DataError


def png(array, palette=None):
    image = Image.fromarray(array)
    if palette is not None:
        image = Image.fromarray(array, mode="P")
        image.putpalette(palette)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def blocks(height, width, side=8):
    """A picture of squares and the same as a map: class k has the grey level 40 k."""
    classes = (np.add.outer(np.arange(height) // side, np.arange(width) // side) % 4).astype(
        np.uint8
    )
    return np.repeat(40 * classes[..., None], 3, axis=2), classes


def test_a_palette_counts_by_its_indices():
    classes = np.array([[0, 1, 2], [255, 2, 0]], np.uint8)
    colours = np.random.default_rng(0).integers(0, 256, 768).tolist()
    for file in (png(classes), png(classes, colours)):
        np.testing.assert_array_equal(decode_map(file, "x"), classes)
    np.testing.assert_array_equal(decode_map(classes[..., None], "x"), classes)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "does not decode as a PNG"),
        (png(np.zeros((2, 2, 3), np.uint8)), "picture of mode RGB"),
        (png(np.zeros((2, 2), np.uint8))[:40], "does not decode as a PNG"),
    ],
)
def test_what_is_no_mask_is_one_sentence(file, said):
    with pytest.raises(DataError, match=f"the mask of a.png .*{said}|the mask of a.png {said}"):
        decode_map(file, "a.png")


def test_sizes_must_agree():
    image, classes = blocks(16, 24)
    with pytest.raises(DataError, match="has 24x16 pixels and its mask 24x8"):
        eval_pair(image, classes[:8], Preprocess(8), "a")


@pytest.mark.parametrize("frame", ["rectangle", "square", "whole"])
def test_evaluation_cuts_both_alike(frame):
    """Grey levels tell the class of a pixel, away from the edges that resizing blurs."""
    image, classes = blocks(64, 96)
    preprocess = Preprocess(40, pad=2, frame=frame, crop_fraction=0.9)
    view, seen = eval_pair(image, classes, preprocess)
    assert seen.shape == (40, 40) and seen.dtype == np.uint8
    np.testing.assert_array_equal(view, eval_view(image, preprocess))
    assert np.all(seen[:2] == VOID) and np.all(seen[:, -2:] == VOID)
    pure = (view[..., 0] % 40 == 0) & (seen != VOID)
    assert pure.sum() > 200
    np.testing.assert_array_equal(view[..., 0][pure] // 40, seen[pure])


def test_a_whole_image_keeps_its_pixels_and_is_void_beside():
    image, classes = blocks(20, 30)
    view, seen = eval_pair(image, classes, Preprocess(32, frame="whole"))
    np.testing.assert_array_equal(view[:20, :30], image)
    np.testing.assert_array_equal(seen[:20, :30], classes)
    assert np.all(seen[20:] == VOID) and np.all(seen[:, 30:] == VOID) and not view[20:].any()
    _, shrunk = eval_pair(image, classes, Preprocess(15, frame="whole"))
    assert np.all(shrunk[10:] == VOID) and not np.any(shrunk[:10] == VOID)


@pytest.mark.parametrize("crop", [{"resize": (40, 60)}, {"area": (0.2, 0.9)}])
def test_training_cuts_both_alike(crop):
    image, classes = blocks(64, 96)
    preprocess, differ = Preprocess(32), []
    for index in range(4):
        view, seen = train_pair(
            image, classes, Data(**crop), preprocess, lambda i=index: example_rng(0, 0, i)
        )
        pure = view[..., 0] % 40 == 0
        agree = view[..., 0][pure] // 40 == seen[pure]
        assert pure.sum() > 100 and agree.mean() > 0.97, agree.mean()
        differ.append(seen.tobytes())
    assert len(set(differ)) == 4
