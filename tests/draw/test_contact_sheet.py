"""Contact sheets: thumbnails in their places, above their captions."""

import cv2
import numpy as np
import pytest

from jaxcnn.draw.contact_sheet import LINE, captioned_sheet, contact_sheet
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


def test_tiles_stand_in_rows_above_their_captions(tmp_path):
    images = [
        np.full((s, s, c), 40 * i, np.uint8) for i, (s, c) in enumerate([(8, 1), (300, 3)] * 2)
    ]
    captions = [("predicted 7 (99.4 %)", "true 8, eight")] * 4
    path = captioned_sheet(images, captions, tmp_path / "sheet.png", tile=100)
    sheet = cv2.imread(str(path))
    height = 100 + 2 * LINE + 4
    assert sheet.shape == (2 * height, 200, 3)
    for i in range(4):
        top, left = i // 2 * height, i % 2 * 100
        assert (sheet[top + 2 : top + 98, left + 2 : left + 98] == 40 * i).all()
        for line in range(2):
            below = sheet[top + 100 + line * LINE : top + 114 + line * LINE, left : left + 100]
            assert (below < 100).any()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be written; check that its folder exists"):
        captioned_sheet([np.zeros((4, 4, 3), np.uint8)], [["a"]], tmp_path / "none" / "x.png")
