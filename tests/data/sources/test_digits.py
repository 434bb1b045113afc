"""The embedded digits."""

import numpy as np

from jaxcnn.config.schema import Data
from jaxcnn.data.sources.open import default_eval_split, open_source


def test_digits():
    train, test = (open_source(Data(), split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1442, 355) and train.splits == {"train": 1442, "test": 355}
    assert train.class_names == list("0123456789") and default_eval_split(train) == "test"
    keys = {example.key for source in (train, test) for example in source}
    assert len(keys) == 1797
    assert min(np.bincount([e.label for e in test])) >= 34
    assert train[0].image.shape == (8, 8, 1) and max(e.image.max() for e in test) == 255
