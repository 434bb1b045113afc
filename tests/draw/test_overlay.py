"""Panels and grids: what is drawn is read back from the picture."""

import cv2
import numpy as np
import pytest

from jaxcnn.draw.grids import around_grey, grid, stretch
from jaxcnn.draw.overlay import Panel, limits, rows_of_panels
from jaxcnn.errors import DataError


def colours(path):
    return cv2.imread(str(path))[..., ::-1].astype(int)


def share(picture, colour, within=30):
    return (np.abs(picture - np.asarray(colour)).max(axis=2) <= within).mean()


def test_a_map_is_drawn_over_its_part_of_the_image(tmp_path):
    image = np.full((40, 60, 3), 200, np.uint8)
    heat = np.full((40, 60), np.nan, np.float32)
    plain = colours(rows_of_panels([[Panel(image)]], tmp_path / "plain.png"))
    heat[:, :30] = 1.0
    panel = Panel(image, "half", heat, "logit", span=(0.0, 1.0), alone=True)
    half = colours(rows_of_panels([[panel]], tmp_path / "half.png"))
    top = (252, 255, 164)  # the last colour of inferno
    assert share(plain, top, 3) == 0 and share(half, top, 3) > 0.1


def test_nothing_above_zero_is_said_and_not_drawn(tmp_path):
    image = np.full((40, 40, 1), 100, np.uint8)
    heat = np.full((40, 40), -1.0, np.float32)
    bare = colours(rows_of_panels([[Panel(image)]], tmp_path / "bare.png"))
    said = colours(rows_of_panels([[Panel(image, heat=heat, unit="logit")]], tmp_path / "said.png"))
    assert share(bare, (0, 0, 0)) == 0 < share(said, (0, 0, 0))  # letters


def test_frames_and_boxes_have_their_colours(tmp_path):
    image = np.full((40, 40, 3), 90, np.uint8)
    panels = [Panel(image, box=(5, 5, 20, 20)), Panel(image, framed=True)]
    picture = colours(rows_of_panels([panels], tmp_path / "framed.png"))
    assert share(picture, (0, 224, 255)) > 0.001 and share(picture, (224, 16, 32)) > 0.005


def test_limits_and_scales():
    heat = np.array([[-3.0, np.nan, 2.0]])
    assert limits(heat, signed=False) == (0.0, 2.0)
    assert limits(heat, signed=True) == (-3.0, 3.0)
    np.testing.assert_allclose(stretch(np.array([1.0, 2.0, 3.0])), [0, 0.5, 1])
    assert stretch(np.zeros(3), 0.0).tolist() == [0, 0, 0]
    np.testing.assert_allclose(around_grey(np.array([[[-2.0], [0.0], [1.0]]])), [[0, 0.5, 0.75]])


def test_a_grid_shows_its_pictures_in_order(tmp_path):
    tones = [np.full((8, 8), tone) for tone in (0.0, 0.25, 0.5, 1.0)]
    picture = colours(grid(tones, tmp_path / "grid.png", columns=2, marks=["", "red"]))
    height, width = picture.shape[:2]
    centres = [picture[height * y // 4, width * x // 4, 0] for y in (1, 3) for x in (1, 3)]
    assert centres[0] < centres[1] < centres[2] < centres[3]
    assert share(picture, (255, 0, 0)) > 0.005


def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        rows_of_panels([[Panel(np.zeros((4, 4, 3), np.uint8))]], tmp_path / "file" / "x.png")
