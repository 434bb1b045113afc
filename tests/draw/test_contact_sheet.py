"""The sheet of images that a run begins with."""

import cv2
import numpy as np
import pytest

from jaxcnn.draw.contact_sheet import contact_sheet
from jaxcnn.errors import DataError


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (200, 3)])
def test_contact_sheet(tmp_path, size, channels):
    images = np.zeros((5, size, size, channels), np.uint8)
    images[..., 0] = 10 * np.arange(5)[:, None, None]
    batch = {"image": images, "label": np.arange(5), "mask": np.array([1, 1, 0, 1, 1])}
    path = contact_sheet(batch, ["a", "b", "c", "d, delta", "é"], tmp_path / "sheet.png")
    sheet = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert sheet.shape == (2 * 146, 2 * 128, 3)
    assert [sheet[64 + 146 * r, 64 + 128 * c, 0] for r in (0, 1) for c in (0, 1)] == [0, 10, 30, 40]
    with pytest.raises(DataError, match="cannot be written"):
        contact_sheet(batch, list("abcde"), tmp_path / "none" / "sheet.png")
