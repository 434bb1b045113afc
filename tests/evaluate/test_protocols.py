"""The views of each protocol: counted, placed, and cut as NumPy and Pillow cut them.

And the probabilities that are averaged over them.
"""

import jax
import numpy as np
import pytest
from checkpoints import softmax
from networks import build, run
from PIL import Image

from jaxcnn.data.images.preprocess import Preprocess, encode_pixel_mean
from jaxcnn.data.images.views import eval_view
from jaxcnn.errors import ConfigError
from jaxcnn.evaluate.protocols import five, grid, make_protocol, squares, three_scales, whole
from jaxcnn.evaluate.scoring import make_score

IMAGENET = Preprocess(
    224, 3, crop_fraction=0.875, mean=(120.0, 115.0, 104.0), std=(58.0, 57.0, 57.0)
)
GREY = Preprocess(32, 1, mean=(100.0,), std=(60.0,))


def image(height, width, channels=3):
    return np.random.default_rng(height * width).integers(
        0, 256, (height, width, channels), np.uint8
    )


def resized(pixels, height, width):
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    found = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return found.reshape(height, width, pixels.shape[2])


def probabilities(model, variables, views, preprocess):
    """Of views uint8 [V, S, S, C], by the network alone: [V, K]."""
    x = (views.astype(np.float32) - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    return softmax(run(model, variables, x))


def score(model, variables, views, preprocess, protocol):
    return np.exp(
        np.asarray(jax.jit(make_score(model, preprocess, protocol))(variables, np.stack(views)))
    )


@pytest.mark.parametrize("size", [(300, 401), (401, 300)])
def test_ten_crops_are_the_corners_and_centre_of_the_central_square(size):
    """AlexNet: short side to 256 (the long one to 342), central 256x256, five crops of 224."""
    pixels = image(*size)
    shape = (256, 342) if size[0] < size[1] else (342, 256)
    middle = resized(pixels, *shape)
    middle = middle[:, 43:299] if size[0] < size[1] else middle[43:299]
    expected = [
        middle[:224, :224],
        middle[:224, 32:],
        middle[32:, :224],
        middle[32:, 32:],
        middle[16:240, 16:240],
    ]
    protocol = make_protocol("ten_crop", IMAGENET)
    np.testing.assert_array_equal(protocol.host_views(pixels, IMAGENET), expected)
    assert protocol.scales == (256,) and protocol.views == 10 and protocol.mirrored


def test_ten_crops_are_averaged_as_probabilities_with_their_mirror_images():
    model, variables, _ = build("lenet5", (1, 32, 32, 1))
    pixels = image(50, 40, 1)
    square = resized(pixels, 46, 37)[4:41]  # 8/7 of 32 pixels
    crops = [square[y : y + 32, x : x + 32] for y, x in ((0, 0), (0, 5), (5, 0), (5, 5), (2, 2))]
    ten = np.stack([*crops, *(crop[:, ::-1] for crop in crops)])
    expected = probabilities(model, variables, ten, GREY).mean(axis=0)
    protocol = make_protocol("ten_crop", GREY)
    found = (
        score(model, variables, protocol.host_views(pixels, GREY), GREY, protocol).sum(axis=0)
        / protocol.views
    )
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-7)
    logits_first = softmax(np.log(probabilities(model, variables, ten, GREY)).mean(axis=0))
    assert np.abs(expected - logits_first).max() > 1e-3  # the order matters


def test_center_is_the_view_of_the_preprocessing():
    pixels = image(300, 401)
    (view,) = make_protocol("center", IMAGENET).host_views(pixels, IMAGENET)
    np.testing.assert_array_equal(view, resized(pixels, 256, 342)[16:240, 59:283])
    np.testing.assert_array_equal(view, eval_view(pixels, IMAGENET))


def test_googlenet_has_144_views_at_the_papers_places():
    pixels = image(300, 401)
    protocol = make_protocol("multi_crop:144", IMAGENET)
    views = protocol.host_views(pixels, IMAGENET)
    assert protocol.scales == (256, 288, 320, 352) and protocol.views == 144 and len(views) == 72
    assert all(view.shape == (224, 224, 3) and view.dtype == np.uint8 for view in views)
    expected = []
    for scale, long in ((256, 342), (288, 384), (320, 427), (352, 470)):
        at = resized(pixels, scale, long)
        for left in (0, round((long - scale) / 2), long - scale):
            square, end, middle = at[:, left : left + scale], scale - 224, (scale - 224) // 2
            for y, x in ((0, 0), (0, end), (end, 0), (end, end), (middle, middle)):
                expected.append(square[y : y + 224, x : x + 224])
            expected.append(resized(np.ascontiguousarray(square), 224, 224))
    np.testing.assert_array_equal(views, expected)


def test_squares_lie_along_the_longer_side():
    assert squares(256, 341) == [(0, 0, 256, 256), (0, 42, 256, 256), (0, 85, 256, 256)]
    assert squares(341, 256) == [(0, 0, 256, 256), (42, 0, 256, 256), (85, 0, 256, 256)]
    assert squares(256, 256) == [(0, 0, 256, 256)] * 3
    assert five((10, 20, 256, 256), 224)[3:] == [(42, 52, 224, 224), (26, 36, 224, 224)]


def test_vgg_has_150_views_on_a_grid_from_edge_to_edge():
    pixels = image(300, 401)
    protocol = make_protocol("multi_crop:150", IMAGENET, trained=(256, 512))
    views = protocol.host_views(pixels, IMAGENET)
    assert protocol.scales == (256, 384, 512) and protocol.views == 150 and len(views) == 75
    at = resized(pixels, 256, 342)
    expected = [
        at[y : y + 224, x : x + 224] for y in (0, 8, 16, 24, 32) for x in (0, 30, 59, 88, 118)
    ]
    np.testing.assert_array_equal(views[:25], expected)
    assert grid(288, 224, 224)[-1] == (64, 0, 224, 224) and len(set(grid(300, 400, 224))) == 25


@pytest.mark.parametrize(
    "name", ["ten_crop", "multi_crop:144", "multi_crop:150", "multi_scale:ten_crop"]
)
@pytest.mark.parametrize("size", [(3, 5), (1, 1), (31, 97), (200, 33)])
@pytest.mark.parametrize(
    "preprocess", [GREY, Preprocess(32, 3, pad=2, mean=(0.0,) * 3, std=(1.0,) * 3)]
)
def test_small_odd_and_grey_images_have_all_their_views(name, size, preprocess):
    protocol = make_protocol(name, preprocess)
    views = protocol.host_views(image(*size, preprocess.channels), preprocess)
    assert {view.shape for view in views} == {preprocess.shape} and 2 * len(views) == protocol.views
    if preprocess.pad:
        assert not any(view[:2].any() or view[:, -2:].any() for view in views)


def test_dense_equals_the_mean_over_sliding_crops():
    """LeNet-5 pads nothing and moves by 4 pixels a position.

    So on 40 pixels its class map is what 3x3 crops of 32 give.
    """
    model, variables, _ = build("lenet5", (1, 32, 32, 1))
    pixels = image(40, 40, 1)
    protocol = make_protocol("dense@40", GREY)
    expected = np.zeros(10)
    for shown in (pixels, pixels[:, ::-1]):
        crops = np.stack([shown[y : y + 32, x : x + 32] for y in (0, 4, 8) for x in (0, 4, 8)])
        x = (crops.astype(np.float32) - np.float32(GREY.mean)) / np.float32(GREY.std)
        # the map's scores first, then the soft-max (VGG section 3.2)
        expected += softmax(run(model, variables, x).mean(axis=0)) / 2
    (found,) = (
        score(model, variables, protocol.host_views(pixels, GREY), GREY, protocol) / protocol.views
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "preprocess"),
    [("lenet5", GREY), ("cuda_convnet", Preprocess(32, 3, mean=(120.0,) * 3, std=(60.0,) * 3))],
)
def test_dense_at_its_own_size_is_the_network(name, preprocess):
    model, variables, _ = build(name, (1, *preprocess.shape))
    views = np.stack(
        [image(32, 32, preprocess.channels), image(32, 33, preprocess.channels)[:, 1:]]
    )
    expected = (
        probabilities(model, variables, views, preprocess)
        + probabilities(model, variables, views[:, :, ::-1], preprocess)
    ) / 2
    protocol = make_protocol("dense@32", preprocess)
    assert [protocol.host_views(view, preprocess)[0].tobytes() for view in views] == [
        view.tobytes() for view in views
    ]
    np.testing.assert_allclose(
        score(model, variables, views, preprocess, protocol) / 2, expected, rtol=1e-3, atol=1e-7
    )


def test_a_mean_image_is_subtracted_where_it_fits_and_its_mean_elsewhere():
    model, variables, _ = build("lenet5", (1, 32, 32, 1))
    mean = np.round(np.random.default_rng(1).uniform(50, 150, (32, 32, 1)))
    preprocess = Preprocess(32, 1, std=(60.0,), pixel_mean=encode_pixel_mean(mean))
    for side, offset in ((32, mean), (36, mean.mean())):
        view = image(side, side, 1)
        x = np.stack([(shown - offset) / 60 for shown in (view, view[:, ::-1])]).astype(np.float32)
        expected = softmax(run(model.clone(class_map=True), variables, x).mean(axis=(1, 2))).sum(
            axis=0
        )
        np.testing.assert_allclose(
            score(model, variables, [view], preprocess, make_protocol("dense@32", preprocess))[0],
            expected,
            rtol=1e-3,
        )


def test_whole_images_come_in_few_shapes_close_to_their_own():
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(60, 600, (400, 2)).tolist(), [500, 375], [333, 500], [1, 1000], [64, 80]]
    shapes = set()
    for height, width in sizes:
        (view,) = whole(np.zeros((height, width, 1), np.uint8), 64, GREY)
        shapes.add(view.shape)
        assert min(view.shape[:2]) == 64 and (view.shape[0] < view.shape[1]) <= (height < width)
        shown = min(max(height, width) / min(height, width), 3)
        assert abs(max(view.shape[:2]) / 64 - shown) <= 1 / 24 + 1 / 128
    assert 40 < len(shapes) <= 49
    for usual, expected in (
        ((375, 500), (240, 320)),
        ((500, 333), (360, 240)),
        ((400, 500), (240, 300)),
        ((9, 9), (240, 240)),
    ):
        assert whole(np.zeros((*usual, 1), np.uint8), 240, GREY)[0].shape[:2] == expected


def test_of_elongated_images_the_middle_is_shown():
    pixels = np.zeros((10, 100, 1), np.uint8)
    pixels[:, 35:65] = 200
    (view,) = whole(pixels, 40, GREY)
    assert view.shape == (40, 120, 1) and view.min() == 200
    assert whole(pixels.transpose(1, 0, 2), 40, GREY)[0].min() == 200


def test_scales_are_the_papers():
    assert three_scales(IMAGENET) == (224, 256, 288)
    assert three_scales(IMAGENET, (384, 384)) == (352, 384, 416)
    assert three_scales(IMAGENET, (256, 512)) == (256, 384, 512)
    assert make_protocol("dense", IMAGENET).scales == (256,) and make_protocol(
        "dense", IMAGENET, (256, 512)
    ).scales == (384,)
    resnet = make_protocol("multi_scale@224,256,384,480,640", IMAGENET)
    assert resnet.scales == (224, 256, 384, 480, 640) and resnet.dense and resnet.views == 10
    assert make_protocol("multi_scale:ten_crop", IMAGENET).views == 30
    assert (
        make_protocol("multi_crop", IMAGENET).views == 144
        and make_protocol("center", IMAGENET).views == 1
    )
    inception = Preprocess(299, 3, crop_fraction=0.875, mean=(127.5,) * 3, std=(127.5,) * 3)
    assert make_protocol("multi_crop:144", inception).scales == (342, 384, 427, 470)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tencrop", "there is no protocol 'tencrop'; there are center, ten_crop"),
        ("multi_crop:12", "there is no protocol"),
        ("multi_scale:center", "there is no protocol"),
        ("center@300", "the centre crop is the checkpoint's own"),
        ("ten_crop@200", "cuts squares of 224 pixels from images of 200"),
        ("multi_crop:144@256,288", "gives 2 scales; multi_crop:144 has 4"),
        ("dense@", "has no readable scales"),
        ("dense@0", "has no readable scales"),
        ("dense@9999", "has no readable scales"),
        ("dense@a,b", "has no readable scales"),
    ],
)
def test_a_protocol_that_cannot_work_is_one_sentence(text, said):
    with pytest.raises(ConfigError, match=said) as error:
        make_protocol(text, IMAGENET)
    assert "\n" not in str(error.value)
