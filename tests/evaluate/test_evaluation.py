"""Evaluation end to end on real images: every protocol counts each image once; ensembles, files, reports, single images."""

import dataclasses
import functools
import importlib.util
import json
import logging
import shutil

import cv2
import jax
import numpy as np
import pytest
from networks import build, run
from places import REPOSITORY

from jaxcnn import metrics
from jaxcnn.checkpoint import variables as variables_lib
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.values import to_dict
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view, to_pixels
from jaxcnn.data.sources import open
from jaxcnn.draw import plots
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate import evaluation, numbers, report, scoring
from jaxcnn.evaluate.classify import classify
from jaxcnn.evaluate.predictions import Predictions, average
from jaxcnn.evaluate.protocols import make_protocol
from jaxcnn.parallel import mesh as sharding
from jaxcnn.run import progress
from jaxcnn.weights import labels
from jaxcnn.weights.labels import class_names, synsets

GREY = Preprocess(32, 1, mean=(80.0,), std=(80.0,))
COLOUR = Preprocess(
    32, 3, crop_fraction=0.8, interpolation="bicubic", mean=(120.0, 115.0, 100.0), std=(60.0,) * 3
)
PROTOCOLS = (
    "center",
    "ten_crop",
    "multi_crop:144",
    "multi_crop:150",
    "dense@32",
    "multi_scale@32,36",
    "multi_scale:ten_crop",
)


def script(name):
    spec = importlib.util.spec_from_file_location(
        f"{name}_script", REPOSITORY / "scripts" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def two_devices():
    """Two of the eight host devices: eight threads of two cores only slow these tests down."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sharding, "make_mesh", functools.partial(sharding.make_mesh, devices=jax.devices()[:2])
        )
        yield


def weights(folder, name, preprocess, data, class_names, **fields):
    """A directory of random weights of `name` that were "trained" on `data`."""
    model, variables, _ = build(
        name, (1, *preprocess.shape), num_classes=len(class_names), **fields
    )
    metadata = {
        "config": to_dict(Config(model=name, data=data)), "model": name, "model_args": {"num_classes": len(class_names), **fields},
        "preprocessing": preprocess.to_dict(), "class_names": class_names, "eval_split": "test[:11]",
    }  # fmt: skip
    return (
        variables_lib.save_variables(
            folder, {"params": variables["params"], "batch_stats": {}}, metadata
        ),
        model,
        variables,
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """(directory, model, variables) of a LeNet on the digits, evaluated on 11 of them."""
    names = [str(d) for d in range(10)]
    return weights(
        tmp_path_factory.mktemp("lenet") / "w", "lenet", GREY, Data(batch_size=8, threads=2), names
    )


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    """The same for a network of another family that sees the digits in colour, cut out smaller."""
    names = [str(d) for d in range(10)]
    return weights(
        tmp_path_factory.mktemp("cuda_convnet") / "w",
        "cuda_convnet",
        COLOUR,
        Data(batch_size=6, threads=2),
        names,
    )


@pytest.fixture(scope="module")
def centre(digits):
    return evaluation.evaluate(digits[0])


def by_hand(member, preprocess):
    """Probabilities of the digits' test[:11] in float64, from the network alone."""
    _, model, variables = member
    source = open.open_source(Data(), "test[:11]")
    views = np.stack([eval_view(source[i].image, preprocess) for i in range(11)]).astype(np.float32)
    logits = run(
        model, variables, (views - np.float32(preprocess.mean)) / np.float32(preprocess.std)
    ).astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True), np.array(
        [source[i].label for i in range(11)]
    )


def test_the_centre_crop_by_hand(digits, centre):
    expected, labels = by_hand(digits, GREY)
    found = centre["predictions"]
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-3, atol=1e-7)
    np.testing.assert_array_equal(found.labels, labels)
    assert (
        centre["count"] == 11 and centre["views"] == 1 and found.keys[3].startswith("digits image ")
    )
    assert centre["top1"] == pytest.approx(np.mean(expected.argmax(axis=1) == labels))
    in_five = [label in np.argsort(-row)[:5] for row, label in zip(expected, labels, strict=True)]
    assert centre["top5_error"] == pytest.approx(1 - np.mean(in_five))
    assert centre["loss"] == pytest.approx(-np.mean(np.log(expected[range(11), labels])), rel=1e-4)


@pytest.mark.parametrize("name", PROTOCOLS[1:])
def test_every_protocol_counts_every_digit_once(digits, centre, name):
    found = evaluation.evaluate(digits[0], protocol=name)
    assert (
        found["count"] == 11
        and found["views"] == make_protocol(name, GREY).views
        and found["shapes"] <= 2
    )
    np.testing.assert_allclose(found["predictions"].probabilities.sum(axis=1), 1, rtol=1e-5)
    assert found["confusion"].sum() == 11 and list(found["predictions"].keys) == list(
        centre["predictions"].keys
    )
    assert (
        np.abs(found["predictions"].probabilities - centre["predictions"].probabilities).max()
        > 1e-4
    )


def test_the_batch_size_changes_nothing(digits):
    one, other = (
        evaluation.evaluate(digits[0], protocol="ten_crop", batch_size=size)["predictions"]
        for size in (3, 64)
    )
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-4, atol=1e-7)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory, test_data):
    data = Data(name="imagenet2012", data_dir=str(test_data), batch_size=8, threads=2)
    names = open.open_source(data, "validation").class_names
    preprocess = dataclasses.replace(COLOUR, interpolation="bilinear")
    return weights(tmp_path_factory.mktemp("imagenet") / "w", "lenet", preprocess, data, names)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_on_real_photographs_of_many_sizes(imagenet, name):
    found = evaluation.evaluate(imagenet[0], protocol=name, split="validation[:5]")
    predictions = found["predictions"]
    assert found["count"] == len(set(predictions.keys)) == 5 and found["corrupt"] == 0
    assert (
        predictions.probabilities.shape == (5, 1000)
        and np.isfinite(predictions.log_probabilities).all()
    )
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-4)
    whole = name.startswith(("dense", "multi_scale@"))
    assert (1 < found["shapes"] <= 2 * 5) if whole else found["shapes"] == 1


def test_whole_photographs_of_several_shapes_by_hand(imagenet):
    _, model, variables = imagenet
    predictions = evaluation.evaluate(imagenet[0], protocol="dense@32", split="validation[:5]")[
        "predictions"
    ]
    protocol = make_protocol("dense@32", predictions.preprocess)
    for i in (0, 4):
        example = predictions.source[i]
        (view,) = protocol.host_views(
            to_pixels(example.image, 3, example.key), predictions.preprocess
        )
        shown = np.stack([view, view[:, ::-1]]).astype(np.float32)
        x = (shown - np.float32(predictions.preprocess.mean)) / np.float32(
            predictions.preprocess.std
        )
        logits = run(model.clone(class_map=True), variables, x).astype(np.float64).mean(axis=(1, 2))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = (raised / raised.sum(axis=1, keepdims=True)).mean(axis=0)
        np.testing.assert_allclose(predictions.probabilities[i], expected, rtol=1e-3, atol=1e-8)


def test_an_ensemble_is_the_mean_of_its_members_probabilities(digits, colour, centre, tmp_path):
    one, _ = by_hand(digits, GREY)
    two, labels = by_hand(colour, COLOUR)
    saved = centre["predictions"].save(tmp_path / "lenet.npz")
    for members in ([digits[0], colour[0]], [saved, colour[0]]):
        found = evaluation.evaluate(members)
        np.testing.assert_allclose(
            found["predictions"].probabilities, (one + two) / 2, rtol=1e-3, atol=1e-7
        )
        assert found["count"] == 11 and set(found["model"].split(" + ")) == {
            "lenet",
            "cuda_convnet",
        }
        assert (
            found["top1"] == pytest.approx(np.mean((one + two).argmax(axis=1) == labels))
            and found["dataset"] == "digits"
        )


def test_a_file_of_predictions_comes_back_and_evaluates_alone(centre, tmp_path):
    path = centre["predictions"].save(tmp_path / "a.npz")
    with np.load(path) as stored:
        assert (
            stored["probabilities"].shape == (11, 10)
            and stored["probabilities"].dtype == np.float32
        )
        assert stored["labels"].shape == stored["keys"].shape == (11,)
    back = Predictions.load(path)
    np.testing.assert_allclose(
        back.probabilities, centre["predictions"].probabilities, rtol=1e-5, atol=1e-37
    )
    assert (
        list(back.keys) == list(centre["predictions"].keys)
        and back.class_names == centre["predictions"].class_names
    )
    found = evaluation.evaluate(path)
    for name in ("top1", "top5", "count", "ece", "dataset", "split"):
        assert found[name] == pytest.approx(centre[name]), name
    assert found["loss"] == pytest.approx(centre["loss"], rel=1e-5) and found["protocol"] == "saved"


def predictions(n=4, classes=3, **changes):
    table = np.log(np.random.default_rng(0).dirichlet(np.ones(classes), n)).astype(np.float32)
    keys, labels = (
        np.array([f"image {i}" for i in range(n)]),
        np.arange(n, dtype=np.int32) % classes,
    )
    return dataclasses.replace(
        Predictions(table, labels, keys, np.arange(n), list("abc")[:classes]), **changes
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (predictions(5), "two has 5 records and one has 4; an ensemble needs the same ones"),
        (
            predictions(keys=np.array(["image 0", "image 2", "image 1", "image 3"])),
            "record 1 is image 2 in two and image 1 in one",
        ),
        (predictions(labels=np.array([0, 1, 0, 0], np.int32)), "label 2 is 0 in two and 2 in one"),
        (
            predictions(classes=2, labels=np.array([0, 1, 2, 0], np.int32)),
            "two tells 2 classes apart and one 3",
        ),
    ],
)
def test_members_of_other_images_are_refused(other, said):
    with pytest.raises(DataError, match=said):
        average([("one", predictions()), ("two", other)])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"probabilities": np.ones((2, 2))}, "'labels' is missing"),
        (
            {
                "probabilities": np.ones((2, 2)),
                "labels": np.zeros(2, int),
                "keys": np.array(["a", "b"]),
            },
            "rows that are no probabilities",
        ),
        (
            {
                "probabilities": np.ones((2, 1)),
                "labels": np.zeros(3, int),
                "keys": np.array(["a", "b"]),
            },
            "of shapes",
        ),
        (
            {
                "probabilities": np.ones((2, 1)),
                "labels": np.ones(2, int),
                "keys": np.array(["a", "b"]),
            },
            "whole numbers from 0 to 0",
        ),
        (
            {
                "probabilities": np.ones((2, 1)),
                "labels": np.zeros(2, int),
                "keys": np.array(["a", None]),
            },
            "cannot be read as predictions",
        ),
        (
            {
                "probabilities": np.full((2, 1), "1"),
                "labels": np.zeros(2, int),
                "keys": np.array(["a", "b"]),
            },
            "rows that are no probabilities",
        ),
        (
            {
                "probabilities": np.ones((2, 1)),
                "labels": np.zeros(2, int),
                "keys": np.arange(2),
                "class_names": np.array(["a", "b"]),
            },
            r"2 class names and 2 records for a table of \(2, 1\)",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=said):
        Predictions.load(tmp_path / "x.npz")


def test_a_file_of_another_program_may_number_its_records_and_use_half_precision(tmp_path):
    table = np.random.default_rng(0).dirichlet(
        np.full(1000, 0.02), 3
    )  # with probabilities that half precision cannot tell from 0
    half = table.astype(np.float16)
    np.savez(
        tmp_path / "x.npz", probabilities=half, labels=np.zeros(3, np.int64), keys=np.arange(3)
    )
    found = Predictions.load(tmp_path / "x.npz")
    assert np.isfinite(found.log_probabilities).all() and list(found.keys) == ["0", "1", "2"]
    np.testing.assert_allclose(found.probabilities, half.astype(np.float32), rtol=1e-5, atol=1e-37)
    same = dataclasses.replace(found, keys=np.array(["0", "1", "2"]))
    np.testing.assert_allclose(
        average([("x", found), ("y", same)]).probabilities, found.probabilities, rtol=1e-5
    )


def test_single_images_are_seen_at_the_scales_of_training_like_those_of_a_dataset(
    tmp_path, monkeypatch
):
    folder, _, _ = weights(
        tmp_path / "w",
        "lenet",
        GREY,
        Data(resize=(40, 60), batch_size=8),
        [str(d) for d in range(10)],
    )
    monkeypatch.setattr(
        scoring,
        "predict",
        lambda model, variables, preprocess, protocol, *rest, **options: protocol,
    )
    assert classify(folder, ["a.png"], protocol="multi_scale").scales == (40, 50, 60)
    assert classify(folder, ["a.png"], protocol="dense").scales == (50,)


def test_broken_and_missing_files_are_one_sentence(tmp_path):
    whole = predictions().save(tmp_path / "whole.npz").read_bytes()
    for name, content in (
        ("cut.npz", whole[: len(whole) // 2]),
        ("text.npz", b"hello"),
        ("empty.npz", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be read as predictions"):
            Predictions.load(tmp_path / name)
    np.save(tmp_path / "array.npy", np.ones(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    with pytest.raises(DataError, match="cannot be read as predictions"):
        Predictions.load(tmp_path / "array.npz")
    with pytest.raises(DataError, match="there is no file"):
        Predictions.load(tmp_path / "none.npz")
    with pytest.raises(DataError, match=r"does not end in \.npz"):
        predictions().save(tmp_path / "predictions.txt")
    with pytest.raises(DataError, match="cannot be written"):
        predictions().save(tmp_path / "none" / "x.npz")
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        evaluation.evaluate([])


def test_calibration_by_hand():
    """Five bins: two images in (0.4, 0.6], one right; three in (0.8, 1], all right. Edges belong to the lower bin."""
    confidence, right = (
        np.array([0.6, 0.5, 0.9, 1.0, 0.95]),
        np.array([True, False, True, True, True]),
    )
    found = metrics.calibration(confidence, right, bins=5)
    assert found.counts.tolist() == [0, 0, 2, 0, 3]
    np.testing.assert_allclose(found.confidence[[2, 4]], [0.55, 0.95])
    np.testing.assert_allclose(found.accuracy, [np.nan, np.nan, 0.5, np.nan, 1.0])
    assert found.error == pytest.approx(2 / 5 * 0.05 + 3 / 5 * 0.05)
    assert metrics.calibration(np.full(10, 0.7), np.arange(10) < 7).error == pytest.approx(0)


def test_the_most_confident_mistakes_come_first():
    table = np.log(
        np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.2, 0.7, 0.1]], np.float32)
    )
    found = numbers.mistakes(
        predictions(log_probabilities=table, labels=np.array([0, 1, 0, 2], np.int32))
    )
    assert [(m.row, m.label, m.predicted, round(m.probability, 3)) for m in found] == [
        (1, 1, 0, 0.8),
        (3, 2, 1, 0.7),
        (2, 0, 2, 0.6),
    ]
    assert (
        len(
            numbers.mistakes(
                predictions(log_probabilities=table, labels=np.array([0, 1, 0, 2], np.int32)),
                most=1,
            )
        )
        == 1
    )


def test_a_confusion_matrix_of_many_classes_is_drawn_in_blocks(tmp_path):
    counts = np.zeros((450, 450), np.int32)
    counts[np.arange(450), np.arange(450)] = 9
    counts[:40, 400] = 1
    drawn = cv2.imread(
        str(plots.confusion_matrix(tmp_path / "m.png", counts, [str(i) for i in range(450)])),
        cv2.IMREAD_COLOR_RGB,
    )
    inside = drawn[60:840, 90:870].astype(int)
    blue = inside[..., 2] - inside[..., 0]
    rows = np.linspace(10, 770, 50).round().astype(int)
    assert all(
        blue[y, max(0, y - 15) : y + 16].max() > 80 for y in rows
    )  # every class on the diagonal, none lost between pixels
    assert blue[:60, 600:].max() > 50  # and what 40 classes are mistaken for


def test_a_network_that_gives_no_numbers_is_wrong_everywhere():
    found = numbers.numbers(
        predictions(
            log_probabilities=np.full((4, 6), np.nan, np.float32), class_names=list("abcdef")
        )
    )
    assert found["top1"] == found["top5"] == 0 and found["count"] == 4
    assert json.loads(report.as_json(found | {"model": "x"}))["loss"] is None


def test_classes_that_have_numbers_only_are_not_compared():
    numbered = [str(i) for i in range(3)]
    evaluation.check_classes({"class_names": ["cat", "dog", "emu"]}, numbered, "here")
    evaluation.check_classes(
        {"class_names": ["cat", "dog", "emu"], "synsets": ["n1", "n2", "n3"]},
        ["n1", "n2", "n3"],
        "here",
    )
    evaluation.check_classes({}, numbered, "here")
    with pytest.raises(DataError, match="class 0 is '0' in here and '1' in the weights"):
        evaluation.check_classes(
            {"class_names": ["1", "0", "2"]}, numbered, "here"
        )  # numbers on both sides are compared
    with pytest.raises(DataError, match="here has 2 classes and the weights tell 3 apart"):
        evaluation.check_classes({"class_names": ["cat", "dog", "emu"]}, numbered[:2], "here")


def test_a_dataset_of_another_number_of_classes_is_refused(digits, tmp_path):
    variables, metadata = variables_lib.load_variables(digits[0])
    nameless = variables_lib.save_variables(
        tmp_path / "w", variables, metadata | {"class_names": []}
    )
    root = tmp_path / "root"
    for name in ("train/cat", "train/dog"):
        (root / name).mkdir(parents=True)
        (root / name / "0.png").write_bytes(
            cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()
        )
    with pytest.raises(DataError, match="folder has 2 classes and the network tells 10 apart"):
        evaluation.evaluate(nameless, dataset="folder", data_dir=str(root), split="train")


def test_classes_are_called_by_what_the_weights_or_imagenets_list_know(digits, tmp_path):
    variables, metadata = variables_lib.load_variables(digits[0])
    named = metadata | {
        "class_names": [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
        ]
    }
    found = evaluation.evaluate(variables_lib.save_variables(tmp_path / "named", variables, named))
    assert list(found["per_class_accuracy"])[7] == "seven" and "  seven " in report.as_text(found)
    assert labels.readable(list(synsets())) == list(
        class_names()
    )  # English where a package that knows it is installed
    assert labels.readable(["cat", "dog"]) == ["cat", "dog"]


@pytest.fixture
def folder(tmp_path):
    """ROOT/{train,val}/{cat,dog} of JPEGs, one of which is cut short."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / "root" / split / name).mkdir(parents=True)
            for i in range(2):
                pixels = rng.integers(0, 255, (40, 50, 3), np.uint8)
                (tmp_path / "root" / split / name / f"{i}.jpg").write_bytes(
                    cv2.imencode(".jpg", pixels)[1].tobytes()
                )
    bad = tmp_path / "root" / "val" / "dog" / "0.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    return tmp_path / "root"


def test_corrupt_images_are_an_error_or_left_out_and_counted(folder, tmp_path, caplog, monkeypatch):
    for choice in ("error", "skip"):
        data = Data(name="folder", data_dir=str(folder), batch_size=4, on_corrupt=choice)
        where, _, _ = weights(tmp_path / choice, "lenet", COLOUR, data, ["cat", "dog"])
        if choice == "error":
            with pytest.raises(DataError, match=r"val/dog/0.jpg is cut short"):
                evaluation.evaluate(where, split="val")
            continue
        found = evaluation.evaluate(where, split="val", protocol="ten_crop")
        assert (
            found["count"] == 3
            and found["corrupt"] == 1
            and "1 of 4 images are corrupt" in caplog.text
        )
        assert list(found["predictions"].keys) == [
            "val/cat/0.jpg",
            "val/cat/1.jpg",
            "val/dog/1.jpg",
        ]  # wherever the folder lies
        shutil.move(folder, tmp_path / "moved")
        moved = evaluation.evaluate(where, split="val", data_dir=str(tmp_path / "moved"))
        assert list(moved["predictions"].keys) == list(found["predictions"].keys)
        check_mistakes_show_their_images(moved, tmp_path, monkeypatch)


def check_mistakes_show_their_images(found, root, monkeypatch):
    """Calls every row wrong: beside corrupt records, row and record differ."""
    drawn = []
    monkeypatch.setattr(
        report,
        "captioned_sheet",
        lambda images, captions, path, tile: drawn.extend(zip(images, captions, strict=True)),
    )
    known = found["predictions"]
    wrong = dataclasses.replace(
        known, labels=1 - known.log_probabilities.argmax(axis=1).astype(np.int32)
    )
    report.draw(root / "pictures", found | {"predictions": wrong})
    order = np.argsort(-known.log_probabilities.max(axis=1), kind="stable")
    for (image, caption), row in zip(drawn, order, strict=True):
        np.testing.assert_array_equal(
            image, eval_view((root / "moved" / known.keys[row]).read_bytes(), COLOUR)
        )
        assert (
            caption[0] == f"true {known.class_names[wrong.labels[row]]}"
            and known.class_names[1 - wrong.labels[row]] in caption[1]
        )


def test_the_evaluation_script_prints_saves_draws_and_keeps_a_table(
    digits, centre, tmp_path, capsys
):
    home = shutil.copytree(digits[0], tmp_path / "run")
    saved = tmp_path / "p.npz"
    run_script = script("evaluate").main
    assert run_script(["--workdir", str(home), "--predictions", str(saved), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (
        found["count"] == 11
        and found["top1"] == pytest.approx(centre["top1"])
        and found["per_class_accuracy"].keys() == set("0123456789")
    )
    assert run_script(["--workdir", f"{home},{saved}", "--protocol", "dense@32"]) == 0
    said = capsys.readouterr().out
    assert "lenet + p on digits test[:11]" in said and "protocol dense@32, 2 views" in said
    table = (home / "evaluations.md").read_text().splitlines()
    assert (
        len(table) == 4
        and table[0].startswith("| date | model")
        and [row.count("|") for row in table] == [11] * 4
    )
    assert (
        "| lenet | digits | test[:11] | center | 1 |" in table[2]
        and f"| {100 * centre['top1_error']:.2f} |" in table[2]
    )
    for name in ("test_11_center", "test_11_dense_32"):
        pictures = {path.name for path in (home / "evaluation" / name).iterdir()}
        assert pictures == {"confusion.png", "reliability.png", "mistakes.png"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workdir", "nowhere"], "holds no checkpoint"),
        (["--workdir", "nowhere", "--predictions", "x.txt"], "does not end in .npz"),
        (
            ["--workdir", "nowhere", "--predictions", "none/x.npz"],
            "is not a folder that can be written to",
        ),
        (["--workdir", "none.npz"], "there is no file none.npz"),
        (["--workdir", ","], "there is nothing to evaluate"),
        (
            ["--workdir", "{digits}", "--protocol", "dense@20"],
            "smallest image it can take is 32x32",
        ),
        (
            ["--workdir", "{digits}", "--table", "/proc/none/x.md"],
            "the table /proc/none/x.md cannot be written",
        ),
    ],
)
def test_what_cannot_work_ends_in_one_sentence(
    digits, tmp_path, monkeypatch, capsys, arguments, said
):
    monkeypatch.chdir(tmp_path)
    assert (
        script("evaluate").main([text.replace("{digits}", str(digits[0])) for text in arguments])
        == 1
    )
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and said in error


def test_progress_is_said_in_lines_where_there_is_no_terminal(caplog):
    with (
        caplog.at_level(logging.INFO, "jaxcnn"),
        progress.Progress("ten_crop", 3, show=True) as shown,
    ):
        for _ in range(3):
            shown.advance()
    assert "ten_crop: 3/3 images" in caplog.text and caplog.text.count("images") == 1


def test_the_prediction_script_prints_and_draws_the_five_best(
    digits, tmp_path, capsys, monkeypatch
):
    source = open.open_source(Data(), "test[:11]")
    paths = []
    for i in (0, 7):
        path = tmp_path / str(source[i].label) / f"{i}.png"
        path.parent.mkdir()
        cv2.imwrite(str(path), source[i].image)
        paths.append(str(path))
    drawn = []
    monkeypatch.setattr(plots, "most_probable", lambda *args: drawn.append(args) or args[0])
    out = tmp_path / "out.png"
    run_script = script("predict").main
    assert run_script([*paths, "--workdir", str(digits[0]), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    expected, labels = by_hand(digits, GREY)
    for i, path in zip((0, 7), paths, strict=True):
        block = said[said.index(path) :].splitlines()[1:6]
        for line, k in zip(block, np.argsort(-expected[i])[:5], strict=True):
            assert f"{expected[i][k]:.2%}" in line and line.split("%")[1].replace("✓", "").split()[
                0
            ] == str(k)
            assert ("✓" in line) == (k == labels[i])
    (arguments,) = drawn
    assert list(arguments[4]) == [labels[0], labels[7]] and arguments[1][0].shape == (8, 8, 3)
    monkeypatch.undo()
    images = [np.zeros((8, 9, 1), np.uint8), np.zeros((30, 20, 3), np.uint8)]
    plots.most_probable(
        out, images, np.eye(2, 6, dtype=np.float32), list("abcdef"), np.array([0, -1])
    )
    assert min(cv2.imread(str(out)).shape[:2]) > 300


def test_pictures_that_cannot_be_read_are_one_sentence(digits, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 no image")
    assert script("predict").main(["x.jpg", "--workdir", str(digits[0]), "--out", "x.txt"]) == 1
    assert "its name must end in .png" in capsys.readouterr().err
    for name, said in (
        ("bad.jpg", "bad.jpg is damaged"),
        ("none.jpg", "none.jpg cannot be read: No such file or directory"),
    ):
        assert script("predict").main([str(tmp_path / name), "--workdir", str(digits[0])]) == 1
        captured = capsys.readouterr()
        assert (
            captured.err.startswith("error: ")
            and said in captured.err
            and captured.err.count("\n") == 1
        )
