"""Contact sheets: thumbnails in their places, above their captions."""

import cv2
import numpy as np
import pytest

from jaxcnn.draw.contact_sheet import LINE, captioned_sheet
from jaxcnn.errors import DataError


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
