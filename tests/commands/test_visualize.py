"""jaxcnn visualize end to end, on LeNet and a small NiN with random weights."""

import re

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
from checkpoints import COLOUR, DIGITS, GREY, checkpoint
from networks import close, run
from photos import encode, picture

from jaxcnn.commands import visualize
from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view

STAGES = (((8, 8, 8), 5, 1, 2), ((8, 8), 3, 1, 1))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """(folder, weights of LeNet, weights of a NiN, an image in a folder named 3)."""
    folder = tmp_path_factory.mktemp("visualize")
    grey, model, variables = checkpoint(folder / "grey", "lenet", preprocess=GREY, data=Data())
    colour = checkpoint(
        folder / "colour", "nin_cifar10", preprocess=COLOUR, data=Data(), stages=STAGES, dropped=()
    )
    (folder / "3").mkdir()
    image = folder / "3" / "photo.jpg"
    image.write_bytes(encode(picture(60, 90)))
    return folder, (grey, model, variables), colour, image


def call(out, *words):
    return visualize.main([*map(str, words), "--out", str(out)])


def test_a_class_activation_map_lies_in_the_files_pixels(places, tmp_path):
    _, _, (weights, model, variables), image = places
    assert call(tmp_path, "cam", image, "--workdir", weights, "--class", "label") == 0
    assert cv2.imread(str(tmp_path / "photo_cam.png")) is not None
    numbers = np.load(tmp_path / "photo_cam.npz")
    view = eval_view(image.read_bytes(), COLOUR)[None].astype(np.float32)
    maps = run(model.clone(class_map=True), variables, np.asarray(COLOUR.normalise(view)))
    bias = np.maximum(variables["params"]["cccp4"]["bias"], 0)
    close(numbers["grid"][0], maps[..., 3] - bias[3], 1e-4)
    placed = numbers["maps"][0]
    assert placed.shape == (60, 90) and numbers["class_names"].tolist() == ["3"]
    seen = np.isfinite(placed)  # the central 48 x 48 pixels: 0.8 of the short side
    assert np.argwhere(seen).min(0).tolist() == [6, 21] and seen.sum() == 48 * 48


@pytest.mark.parametrize(
    "words, written",
    [
        (("classmaps",), "classmaps"),
        (("cam", "--method", "layer_cam", "--layer", "pool1", "--class", "top5"), "layer_cam"),
        (("cam", "--method", "grad_cam", "--views", "ten_crop"), "grad_cam"),
        (("saliency", "--method", "guided", "--views", "ten_crop"), "saliency_guided"),
        (("saliency", "--method", "integrated"), "saliency_integrated"),
        (("deconv", "--layer", "pool1", "--most", "3"), "deconv_pool1"),
        (("features", "--layer", "relu_conv1"), "features_relu_conv1"),
        (("occlusion", "--size", "8", "--stride", "8"), "occlusion"),
        (("heatmap", "--size", "48"), "heatmap"),
        (("sanity", "--method", "grad_cam"), "sanity"),
    ],
)
def test_every_command_writes_a_picture_and_its_numbers(places, tmp_path, words, written):
    _, _, (weights, _, _), image = places
    assert call(tmp_path, words[0], image, "--workdir", weights, *words[1:]) == 0
    assert cv2.imread(str(tmp_path / f"photo_{written}.png")) is not None
    assert np.load(tmp_path / f"photo_{written}.npz").files


def test_features_of_a_split_become_a_table(places, tmp_path, capsys):
    _, (weights, _, _), _, image = places
    for name, split in (("a", "train[:60]"), ("b", "test[:20]")):
        words = "--workdir", weights, "--split", split, "--layer", "F6", "--save"
        assert call(tmp_path, "features", *words, tmp_path / f"{name}.npz") == 0
    table = ("--table", tmp_path / "a.npz")
    assert call(tmp_path, "neighbours", image, "--workdir", weights, *table) == 0
    found = np.load(tmp_path / "neighbours.npz")
    assert found["index"].shape == (1, 6) and (np.diff(found["distance"]) >= 0).all()
    assert call(tmp_path, "embed", *table) == 0
    assert np.load(tmp_path / "embedding_pca.npz")["points"].shape == (60, 2)
    assert call(tmp_path, "probe", *table, "--test", tmp_path / "b.npz") == 0
    assert '"test": 20' in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, words, written",
    [
        ("alexnet3", (), "alexnet3"),
        ("zfnet2", ("--layer", "relu_C3"), "patches_relu_C3"),
        ("vgg_maps", ("--images",), "photo_first_maps"),
        ("fcn2", ("--images",), "photo_heatmap"),
    ],
)
def test_figures(places, tmp_path, name, words, written):
    _, (weights, _, _), _, image = places
    images = (image,) if "--images" in words else ()
    assert call(tmp_path, "figure", name, "--workdir", weights, *words, *images) == 0
    assert (tmp_path / f"{written}.png").is_file() and (tmp_path / f"{written}.npz").is_file()


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("cam",), "fully connected layers"),
        (("cam", "--method", "magic"), "no method 'magic'.*cam, grad_cam"),
        (("cam", "--method", "grad_cam", "--layer", "conv9"), "no layer 'conv9'.*C1, .*C3"),
        (("cam", "--method", "grad_cam", "--class", "cat"), "'cat' is no class.*10 classes"),
        (("saliency", "--method", "magic"), "gradient, guided, deconv, smooth, integrated"),
        (("saliency", "--views", "dense"), "center, ten_crop"),
        (("heatmap", "--size", "16"), "below the network's own 32"),
        (("figure", "nope"), "alexnet3, alexnet4"),
        (("figure", "nin4"), "fully connected layers"),
        (("figure", "alexnet4"), "needs --table"),
        (("figure", "zfnet6"), "--other"),
        (("figure", "fcn4"), "LeNet classifies images and gives no class a pixel"),
        (("segment",), "takes a checkpoint of configs/fcn.py"),
    ],
)
def test_what_cannot_be_is_one_sentence(places, tmp_path, capsys, words, sentence):
    _, (weights, _, _), _, image = places
    command, *rest = words
    given = (rest[0], "--images", image) if command == "figure" else (image, *rest)
    assert call(tmp_path, command, *given, "--workdir", weights) == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("error: ") and re.search(sentence, error[-1])
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def pixelwise(places):
    """Weights of a network that classifies pixels."""
    folder, *_ = places
    data, names = Data(name="shapes"), ["background", "circle", "square", "triangle"]
    preprocess = Preprocess(64, mean=(110.0,) * 3, std=(60.0,) * 3)
    weights, _, _ = checkpoint(
        folder / "fcn", "fcn32s_small", preprocess=preprocess, data=data, class_names=names
    )
    return weights


@pytest.mark.parametrize(
    "words",
    [
        ("cam",),
        ("cam", "--method", "layer_cam", "--class", "circle"),
        ("classmaps",),
        ("occlusion",),
        ("saliency",),
        ("heatmap",),
        ("sanity",),
        ("figure", "nin4"),
        ("figure", "cam4"),
    ],
)
def test_maps_of_classes_are_of_classifiers(places, pixelwise, tmp_path, capsys, words):
    command, *rest = words
    given = (rest[0], "--images", places[3]) if command == "figure" else (places[3], *rest)
    assert call(tmp_path, command, *given, "--workdir", pixelwise) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: FCN gives a class for every pixel and none for the image")


def test_a_network_of_pixels_shows_its_classes_and_layers(places, pixelwise, tmp_path, capsys):
    image, weights = places[3], ("--workdir", pixelwise)
    assert call(tmp_path, "segment", image, *weights) == 0
    assert np.load(tmp_path / "photo_segments.npz")["classes"].shape == (60, 90)
    several = ("--other", pixelwise, "--images", image)
    assert call(tmp_path, "figure", "fcn4", *weights, *several) == 0
    assert cv2.imread(str(tmp_path / "photo_fcn4.png")).shape[1] == 3 * (4 * 90 + 6)
    assert call(tmp_path, "features", image, *weights, "--layer", "relu1_1") == 0
    assert call(tmp_path, "filters", *weights) == 0
    assert call(tmp_path, "features", "--save", tmp_path / "t.npz", *weights) == 2
    assert "has a label for every pixel and a table has one" in capsys.readouterr().err


def test_the_library_face_hands_on_its_functions(places):
    from jaxcnn import interpret

    _, (_, model, variables), _, _ = places
    images = jnp.ones((1, 32, 32, 1))
    kept = interpret.capture(model, variables, images, ["C1"])
    assert kept["C1"].shape == (1, 28, 28, 6) and len(DIGITS) == kept["logits"].shape[1]
    assert {"cam", "grad_cam", "occlusion", "nearest", "embed"} <= set(interpret.__all__)
