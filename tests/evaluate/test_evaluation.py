"""Evaluation end to end: ensembles, datasets and classes, corrupt images, several processes."""

import shutil

import cv2
import numpy as np
import pytest
from checkpoints import COLOUR, GREY, by_hand, checkpoint

from jaxcnn.checkpoint.variables import load_variables, save_variables
from jaxcnn.config.schema import Config, Data
from jaxcnn.config.validation import validate
from jaxcnn.errors import ConfigError, DataError
from jaxcnn.evaluate.evaluation import check_classes, evaluate


def test_an_ensemble_is_the_mean_of_its_members_probabilities(
    digits, colour, centre, devices, tmp_path
):
    one, _ = by_hand(digits, GREY)
    two, labels = by_hand(colour, COLOUR)
    saved = centre.predictions.save(tmp_path / "lenet.npz")
    for members in ([digits[0], colour[0]], [saved, colour[0]]):
        result = evaluate(members, devices=devices)
        mean = result.predictions.probabilities
        np.testing.assert_allclose(mean, (one + two) / 2, rtol=1e-3, atol=1e-7)
        assert result.count == 11 and result.dataset == "digits"
        assert set(result.model.split(" + ")) == {"lenet", "cuda_convnet"}
        assert result.top1 == pytest.approx(np.mean((one + two).argmax(axis=1) == labels))


def test_a_file_of_predictions_evaluates_alone(centre, tmp_path):
    result = evaluate(centre.predictions.save(tmp_path / "a.npz"))
    for name in ("top1", "top5", "count", "ece", "dataset", "split"):
        assert getattr(result, name) == pytest.approx(getattr(centre, name)), name
    assert result.loss == pytest.approx(centre.loss, rel=1e-5) and result.protocol == "saved"


def test_nothing_to_evaluate_is_one_sentence():
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        evaluate([])


def test_classes_that_have_numbers_only_are_not_compared():
    numbered, animals = ["0", "1", "2"], ["cat", "dog", "emu"]
    check_classes([animals], numbered, "here")
    check_classes([animals, ["n1", "n2", "n3"]], ["n1", "n2", "n3"], "here")
    check_classes([], numbered, "here")
    with pytest.raises(DataError, match="class 0 is '0' in here and '1' in the weights"):
        check_classes([["1", "0", "2"]], numbered, "here")  # numbers on both sides are compared
    with pytest.raises(DataError, match="here has 2 classes and the weights tell 3 apart"):
        check_classes([animals], numbered[:2], "here")


def write_images(root, names, count=1):
    """ROOT/NAME/0.jpg and so on, of random pixels."""
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 255, (40, 50, 3), np.uint8)
            encoded = cv2.imencode(".jpg", pixels)[1]
            (root / name / f"{i}.jpg").write_bytes(encoded.tobytes())


def test_a_dataset_of_another_number_of_classes_is_refused(digits, tmp_path):
    variables, metadata = load_variables(digits[0])
    nameless = save_variables(tmp_path / "w", variables, metadata | {"class_names": []})
    root = tmp_path / "root"
    write_images(root, ("train/cat", "train/dog"))
    with pytest.raises(DataError, match="folder has 2 classes and the network tells 10 apart"):
        evaluate(nameless, dataset="folder", data_dir=str(root), split="train")


def test_classes_are_called_by_what_the_weights_know(digits, devices, tmp_path):
    variables, metadata = load_variables(digits[0])
    words = [f"digit {i}" for i in range(10)]
    named = save_variables(tmp_path / "named", variables, metadata | {"class_names": words})
    assert list(evaluate(named, devices=devices).per_class_accuracy) == words


@pytest.fixture
def folder(tmp_path):
    """ROOT/{train,val}/{cat,dog} of JPEGs, one of which is cut short."""
    root = tmp_path / "root"
    write_images(
        root, [f"{split}/{name}" for split in ("train", "val") for name in ("cat", "dog")], 2
    )
    bad = root / "val" / "dog" / "0.jpg"
    bad.write_bytes(bad.read_bytes()[:300])
    return root


def of_folder(tmp_path, root, on_corrupt):
    data = Data(name="folder", data_dir=str(root), batch_size=4, on_corrupt=on_corrupt)
    names = ["cat", "dog"]
    return checkpoint(tmp_path / "w", "lenet", preprocess=COLOUR, data=data, class_names=names)[0]


def test_a_run_that_began_by_other_rules_is_evaluated(tmp_path, devices):
    """Today crops of an aspect without an area are refused before training."""
    data = Data(batch_size=8, threads=2, aspect=(0.5, 2.0))
    with pytest.raises(ConfigError, match=r"config.data.aspect"):
        validate(Config(data=data))
    where = checkpoint(tmp_path / "w", "lenet", preprocess=GREY, data=data)[0]
    assert evaluate(where, devices=devices).count == 11
    with pytest.raises(ConfigError, match=r"config.data.batch_size is -3"):
        evaluate(where, batch_size=-3, devices=devices)


def test_a_corrupt_image_is_an_error_that_names_it(folder, tmp_path):
    with pytest.raises(DataError, match=r"val/dog/0.jpg is cut short"):
        evaluate(of_folder(tmp_path, folder, "error"), split="val")


def test_corrupt_images_are_left_out_and_counted(folder, tmp_path, devices, caplog):
    where = of_folder(tmp_path, folder, "skip")
    result = evaluate(where, split="val", protocol="ten_crop", devices=devices)
    assert result.count == 3 and result.corrupt == 1
    assert "1 of 4 images are corrupt" in caplog.text
    keys = ["val/cat/0.jpg", "val/cat/1.jpg", "val/dog/1.jpg"]  # wherever the folder lies
    assert list(result.predictions.keys) == keys
    assert list(result.predictions.records) == [0, 1, 3]
    moved = shutil.move(folder, tmp_path / "moved")
    again = evaluate(where, split="val", data_dir=str(moved), devices=devices)
    assert list(again.predictions.keys) == keys
