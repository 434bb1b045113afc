"""Pictures of a run: what must be seen in them is looked for in their pixels."""

import json

import cv2
import numpy as np
import pytest

from jaxcnn.draw import plots

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # matplotlib's tab:blue and tab:orange


def pixels(path):
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB).astype(int)


def of_colour(picture, colour):
    """How many pixels have that colour."""
    return int((np.abs(picture - colour).max(axis=2) < 40).sum())


@pytest.mark.parametrize("epochs", [1, 30])
def test_curves_of_short_and_long_runs_are_visible(tmp_path, epochs):
    rows = []
    for epoch in range(1, epochs + 1):
        common = {"step": 10 * epoch, "epoch": float(epoch)}
        rows.append(common | {"train_loss": 2 / epoch, "train_top1": 1 - 0.8 / epoch})
        rows.append(common | {"eval_loss": 2.2 / epoch, "eval_top1": 1 - 0.9 / epoch})
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines)
    picture = pixels(plots.learning_curves(tmp_path))
    # the legends alone, of two axes without points, come to less than half of that
    empty = tmp_path / "empty"
    empty.mkdir()
    legends = pixels(plots.learning_curves(empty))
    for colour in (BLUE, ORANGE):
        assert of_colour(picture, colour) > of_colour(legends, colour) + 30


def test_a_confusion_matrix_of_many_classes_is_drawn_in_blocks(tmp_path):
    counts = np.zeros((450, 450), np.int32)
    counts[np.arange(450), np.arange(450)] = 9
    counts[:40, 400] = 1
    names = [str(i) for i in range(450)]
    drawn = pixels(plots.confusion_matrix(tmp_path / "m.png", counts, names))
    inside = drawn[60:840, 90:870]
    blue = inside[..., 2] - inside[..., 0]
    rows = np.linspace(10, 770, 50).round().astype(int)
    # every class lies on the diagonal, none is lost between pixels
    assert all(blue[y, max(0, y - 15) : y + 16].max() > 80 for y in rows)
    assert blue[:60, 600:].max() > 50  # and what 40 classes are mistaken for
