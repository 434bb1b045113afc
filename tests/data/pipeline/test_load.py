"""Corrupt records: named, or replaced and counted."""

import dataclasses
import subprocess

import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.pipeline.load import thread_count
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.errors import DataError


def test_threads_are_as_many_as_said_or_as_there_are_cores():
    assert thread_count(Data(threads=3)) == 3
    said = subprocess.run(["nproc"], capture_output=True, text=True, check=True).stdout
    assert thread_count(Data()) == int(said)


def test_a_corrupt_record_is_named_or_replaced_and_counted(folder):
    damaged = folder / "train" / "dog" / "a.jpg"  # the first of the dogs, record 6
    damaged.write_bytes(damaged.read_bytes()[:200])
    data = Data(name="folder", data_dir=str(folder), batch_size=12)
    preprocess = Preprocess(16)
    for resident in ("yes", "no"):
        data.resident = resident
        data.on_corrupt = "error"
        with pytest.raises(DataError, match=r"train/dog/a.jpg is cut short"):
            list(batches(data, "train", seed=0, preprocess=preprocess, train=False))
        data.on_corrupt = "skip"
        (evaluated,) = batches(data, "train", seed=0, preprocess=preprocess, train=False)
        assert np.flatnonzero(evaluated["corrupt"]).tolist() == [6]
        assert evaluated["mask"].tolist() == [1] * 6 + [0] + [1] * 5
    strict = dataclasses.replace(data, on_corrupt="error")
    with pytest.raises(DataError, match=r"train/dog/a.jpg is cut short"):
        next(batches(strict, "train", seed=0, preprocess=preprocess))
    batch = next(batches(data, "train", seed=0, preprocess=preprocess))
    row, neighbour = (int(np.flatnonzero(batch["index"] == i)[0]) for i in (6, 7))
    assert batch["corrupt"].sum() == batch["corrupt"][row] == 1 and batch["mask"].min() == 1
    assert np.array_equal(batch["image"][row], batch["image"][neighbour])
    assert batch["label"][row] == batch["label"][neighbour]
    images, labels = resident_arrays(data, "train", preprocess)
    assert np.array_equal(batch["image"], images[batch["index"]])
    assert np.array_equal(batch["label"], labels[batch["index"]])


def test_a_folder_of_nothing_but_corrupt_files_ends(folder):
    for file in (folder / "train").rglob("*.*"):
        file.write_bytes(b"\xff\xd8")
    data = Data(name="folder", data_dir=str(folder), batch_size=2, on_corrupt="skip")
    with pytest.raises(DataError, match="after it are corrupt"):
        next(batches(data, "train", seed=0, preprocess=Preprocess(16)))
