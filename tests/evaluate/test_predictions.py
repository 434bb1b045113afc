"""Tables of predictions: saved, loaded, averaged; whatever is no such table is one sentence."""

import dataclasses

import numpy as np
import pytest

from jaxcnn.errors import DataError
from jaxcnn.evaluate.predictions import Predictions, average


def predictions(n=4, classes=3, **changes):
    """Random ones of `n` images."""
    table = np.random.default_rng(0).dirichlet(np.ones(classes), n)
    fields = dict(
        log_probabilities=np.log(table).astype(np.float32),
        labels=np.arange(n, dtype=np.int32) % classes,
        keys=np.array([f"image {i}" for i in range(n)]),
        records=np.arange(n),
        class_names=list("abc")[:classes],
    )
    return Predictions(**(fields | changes))


def test_a_file_comes_back(centre, tmp_path):
    known = centre.predictions
    path = known.save(tmp_path / "a.npz")
    with np.load(path) as stored:
        assert stored["probabilities"].shape == (11, 10)
        assert stored["probabilities"].dtype == np.float32
        assert stored["labels"].shape == stored["keys"].shape == (11,)
    back = Predictions.load(path)
    np.testing.assert_allclose(back.probabilities, known.probabilities, rtol=1e-5, atol=1e-37)
    assert list(back.keys) == list(known.keys) and back.class_names == known.class_names
    assert (back.dataset, back.split) == ("digits", "test[:11]")


def test_a_file_of_another_program_may_number_its_records_and_use_half_precision(tmp_path):
    # with probabilities that half precision cannot tell from 0
    half = np.random.default_rng(0).dirichlet(np.full(1000, 0.02), 3).astype(np.float16)
    path = tmp_path / "x.npz"
    np.savez(path, probabilities=half, labels=np.zeros(3, np.int64), keys=np.arange(3))
    loaded = Predictions.load(path)
    assert np.isfinite(loaded.log_probabilities).all() and list(loaded.keys) == ["0", "1", "2"]
    expected = half.astype(np.float32)
    np.testing.assert_allclose(loaded.probabilities, expected, rtol=1e-5, atol=1e-37)
    same = dataclasses.replace(loaded, keys=np.array(["0", "1", "2"]))
    mean = average([("x", loaded), ("y", same)]).probabilities
    np.testing.assert_allclose(mean, loaded.probabilities, rtol=1e-5)


def test_the_mean_is_of_probabilities():
    one, other = predictions(), predictions(log_probabilities=predictions(8).log_probabilities[4:])
    mean = average([("one", one), ("other", other)]).probabilities
    np.testing.assert_allclose(mean, (one.probabilities + other.probabilities) / 2, rtol=1e-5)


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


PAIR = {
    "probabilities": np.ones((2, 1)),
    "labels": np.zeros(2, int),
    "keys": np.array(["a", "b"]),
}


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"probabilities": np.ones((2, 2))}, "'labels' is missing"),
        (PAIR | {"probabilities": np.ones((2, 2))}, "rows that are no probabilities"),
        (PAIR | {"labels": np.zeros(3, int)}, "of shapes"),
        (PAIR | {"labels": np.ones(2, int)}, "whole numbers from 0 to 0"),
        (PAIR | {"keys": np.array(["a", None])}, "cannot be read as predictions"),
        (PAIR | {"probabilities": np.full((2, 1), "1")}, "rows that are no probabilities"),
        (
            PAIR | {"keys": np.arange(2), "class_names": np.array(["a", "b"])},
            r"2 class names and 2 records for a table of \(2, 1\)",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_one_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=said):
        Predictions.load(tmp_path / "x.npz")


def test_broken_and_missing_files_are_one_sentence(tmp_path):
    whole = predictions().save(tmp_path / "whole.npz").read_bytes()
    broken = {"cut.npz": whole[: len(whole) // 2], "text.npz": b"hello", "empty.npz": b""}
    for name, content in broken.items():
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
