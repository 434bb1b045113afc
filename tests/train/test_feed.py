"""Feeds: streamed and resident batches are the same."""

import itertools

import numpy as np
import pytest

from jaxcnn.config.schema import Data, Sharding
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.data.sources.open import open_source
from jaxcnn.parallel.mesh import make_mesh
from jaxcnn.train.feed import make_feed


def feeds(train, batch_size, seed=3):
    """The resident and the streamed feed of a split of the digits."""
    split = "train" if train else "test"
    for resident in ("yes", "no"):
        data = Data(name="digits", batch_size=batch_size, resident=resident, threads=2)
        preprocess = resolve(data, (32, 32, 1), open_source(data, "train"))
        yield make_feed(data, split, preprocess, make_mesh(Sharding()), train=train, seed=seed)


def assert_same(resident, streamed, items):
    count = 0
    for pair in items:
        a, b = (f.fetch(f.store, item) for f, item in zip((resident, streamed), pair, strict=True))
        np.testing.assert_array_equal(a["mask"], b["mask"])
        counted = np.asarray(a["mask"]) > 0  # what stands for padding need not be the same
        for name in ("image", "label"):
            np.testing.assert_array_equal(
                np.asarray(a[name])[counted], np.asarray(b[name])[counted]
            )
        count += 1
    return count


def test_streamed_and_resident_batches_are_identical():
    resident, streamed = feeds(train=True, batch_size=96)
    assert (resident.kind, streamed.kind) == ("resident", "streamed")
    assert resident.size == streamed.size == 1442
    # Steps 13 to 16 lie on both sides of an epoch's end, 1442 / 96 = 15.02.
    pairs = zip(resident.items(start_step=13), streamed.items(start_step=13), strict=True)
    assert assert_same(resident, streamed, itertools.islice(pairs, 4)) == 4


@pytest.mark.parametrize("batch_size", [64, 80])
def test_an_evaluation_sees_every_image_once(batch_size):
    resident, streamed = feeds(train=False, batch_size=batch_size)
    masks = [np.asarray(item["mask"]).sum() for item in resident.items()]
    assert sum(masks) == resident.size == 355
    pairs = zip(resident.items(), streamed.items(), strict=True)
    assert assert_same(resident, streamed, pairs) == -(-355 // batch_size)
