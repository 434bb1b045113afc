"""Mean images and colour axes are numbers: code in their files is not run."""

import os
import pickle

import numpy as np
import pytest

from jaxcnn.config.schema import Data
from jaxcnn.data.pipeline.resolve import resolve
from jaxcnn.errors import DataError
from jaxcnn.train.augment.batch import load_pca


class Code:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["mean.npy", "mean.npz"])
def test_code_in_a_mean_image_or_in_colour_axes_is_not_run(tmp_path, name):
    (tmp_path / "mean.npy").write_bytes(pickle.dumps(Code(tmp_path / "ran")))
    np.savez(
        tmp_path / "mean.npz", deviations=np.array([Code(tmp_path / "ran")], object), axes=np.eye(3)
    )
    with pytest.raises(DataError, match="cannot be read as a mean image"):
        resolve(Data(pixel_mean=str(tmp_path / name), image_size=20), (32, 32, 3), None)
    with pytest.raises(DataError, match="cannot be read as colour axes"):
        load_pca(str(tmp_path / name))
    assert not (tmp_path / "ran").exists()
