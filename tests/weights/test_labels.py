"""Names of classes."""

import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import open_source
from jaxcnn.errors import WeightsError
from jaxcnn.weights import labels


def test_synsets_are_sorted_and_complete():
    names = labels.synsets()
    assert len(names) == 1000 and list(names) == sorted(set(names))
    assert (names[0], names[207], names[999]) == ("n01440764", "n02099601", "n15075141")


def test_label_order_is_checked():
    with pytest.raises(WeightsError, match="expected 1000 synsets in order"):
        labels.check_order(("background", *labels.synsets()), "slim.txt")
    shifted = ("n01440763", *labels.synsets()[:-1])
    with pytest.raises(WeightsError, match="another label order"):
        labels.check_order(shifted, "shifted.txt")


def test_synsets_are_readable_in_english():
    assert labels.readable(list(labels.synsets())) == list(labels.class_names())
    assert labels.readable(["cat", "dog"]) == ["cat", "dog"]


def test_cifar10s_names_are_those_of_the_dataset(test_data):
    source = open_source(Data(name="cifar10", data_dir=str(test_data)), "test[:1]")
    assert source.class_names == list(labels.CIFAR10)
