"""Pictures of predictions: what must be seen in them is looked for in their pixels."""

import cv2
import numpy as np

from jaxcnn.draw.predictions import most_probable, reliability
from jaxcnn.metrics import calibration


def pixels(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB).astype(int)


def greenest(picture):
    return (picture[..., 1] - np.maximum(picture[..., 0], picture[..., 2])).max()


def test_the_right_class_is_green_where_it_is_known(tmp_path):
    images = [np.zeros((8, 9, 1), np.uint8), np.zeros((30, 20, 3), np.uint8)]
    names = ["cat, house cat", "costs $5 and $6", "c", "d", "e", "f"]
    table = np.eye(2, 6, dtype=np.float32)
    for labels, green in (([0, -1], True), ([-1, -1], False)):
        path = most_probable(
            tmp_path / "p.png", images, table, class_names=names, labels=np.array(labels),
            captions=["a.png", "a very long name of a file in a folder.png"],
        )  # fmt: skip
        picture = pixels(path)
        assert min(picture.shape[:2]) > 300 and (greenest(picture) > 40) == green


def test_intervals_are_long_where_images_are_few(tmp_path):
    """Of two bins, one with 9,000 images and one with a single one, the second has the line."""
    confidence = np.concatenate([np.full(9000, 0.55), [0.25]])
    right = np.concatenate([np.arange(9000) % 2 == 0, [True]])
    picture = pixels(reliability(tmp_path / "r.png", calibration(confidence, right)))
    height, width = picture.shape[:2]
    line = np.abs(picture - (31, 119, 180)).max(axis=2) < 60
    upper = line[int(0.2 * height) : int(0.68 * height)]
    left, middle = upper[:, : width // 2], upper[:, width // 2 :]
    longest = [int(half.sum(axis=0).max()) for half in (left, middle)]
    assert longest[0] > 4 * longest[1] > 0
