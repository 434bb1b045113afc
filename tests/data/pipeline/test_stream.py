"""Batches: every image once, batch k a function of (seed, k), streamed and resident alike."""

import dataclasses
import itertools

import numpy as np
import pytest
from take import same, take

from jaxcnn.config.schema import Data
from jaxcnn.data.images.preprocess import (
    Preprocess,
)
from jaxcnn.data.pipeline.order import index_batches
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.pipeline.stream import batches
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import DataError

DIGITS = Preprocess(12, 1, pad=2, mean=(0.0,), std=(1.0,))


def test_a_training_batch_is_a_function_of_seed_and_step(folder):
    """Whatever the threads, the step that the run starts at, and the processes that share it."""
    data = Data(name="folder", data_dir=str(folder), batch_size=20, area=(0.2, 1.0), threads=1)

    def five(data, **options):
        options = {"seed": 1, "preprocess": Preprocess(16)} | options
        return take(5, batches(data, "train", **options))

    whole = five(data)
    assert all(map(same, whole, five(dataclasses.replace(data, threads=5))))
    assert all(map(same, whole[3:], five(data, start_step=3)))
    parts = [five(data, process_index=i, process_count=4) for i in range(4)]
    joined = [
        {name: np.concatenate([part[name] for part in shares]) for name in shares[0]}
        for shares in zip(*parts, strict=True)
    ]
    assert all(map(same, whole, joined))
    assert not np.array_equal(five(data, seed=2)[0]["index"], whole[0]["index"])


def test_an_example_is_cropped_anew_each_epoch(folder):
    data = Data(name="folder", data_dir=str(folder), batch_size=12, area=(0.2, 1.0))
    first, second = (
        b["image"][np.argsort(b["index"])]
        for b in take(2, batches(data, "train", seed=1, preprocess=Preprocess(16)))
    )
    assert all((a != b).any() for a, b in zip(first, second, strict=True))


def test_the_contract_of_a_batch():
    batch = next(batches(Data(batch_size=6), "train", seed=0, preprocess=DIGITS))
    assert {name: (value.shape, str(value.dtype)) for name, value in batch.items()} == {
        "image": ((6, 12, 12, 1), "uint8"),
        "label": ((6,), "int32"),
        "mask": ((6,), "float32"),
        "index": ((6,), "int32"),
        "corrupt": ((6,), "float32"),
    }
    assert batch["mask"].min() == 1 and batch["corrupt"].max() == 0


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_streamed_and_resident_give_identical_batches(name, request):
    root = "" if name == "digits" else str(request.getfixturevalue("test_data"))
    data = Data(name=name, data_dir=root, batch_size=128)
    split = "train" if name == "digits" else "train[:700]"
    preprocess = resolve(data, (32, 32, 1), open_source(data, split))
    images, labels = resident_arrays(data, split, preprocess)
    streamed = batches(data, split, seed=7, preprocess=preprocess, start_step=2)
    indices = index_batches(len(labels), 128, seed=7, start_step=2)
    for batch, index in zip(take(14, streamed), indices, strict=False):
        assert np.array_equal(batch["index"], index)
        assert np.array_equal(batch["image"], images[index])
        assert np.array_equal(batch["label"], labels[index])


@pytest.mark.parametrize("resident", ["yes", "no"])
@pytest.mark.parametrize(("processes", "size"), [(1, 100), (1, 355), (1, 500), (4, 100), (8, 64)])
def test_evaluation_counts_every_image_once(processes, size, resident):
    data = Data(eval_batch_size=size, resident=resident)
    images, labels = resident_arrays(data, "test", DIGITS)
    settings = {"seed": 0, "preprocess": DIGITS, "train": False, "process_count": processes}
    shares = [list(batches(data, "test", process_index=i, **settings)) for i in range(processes)]
    assert len({len(share) for share in shares}) == 1
    seen = []
    for batch in itertools.chain(*shares):
        real = batch["mask"] == 1
        assert len(batch["image"]) == size // processes
        assert np.array_equal(real, batch["index"] >= 0)
        assert np.array_equal(batch["image"][real], images[batch["index"][real]])
        assert np.array_equal(batch["label"][real], labels[batch["index"][real]])
        seen += batch["index"][real].tolist()
    assert seen == list(range(355))


def test_a_batch_that_does_not_divide_is_one_sentence():
    with pytest.raises(DataError, match=r"data.batch_size=10 does not divide over 4 processes"):
        next(batches(Data(batch_size=10), "train", seed=0, preprocess=DIGITS, process_count=4))
