"""Folders from anywhere: pipes, circles, links that lead out, and names that hold control
characters.
"""

import os

import numpy as np
import pytest
from folders import NAMES, write_images

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.sources.open import open_source
from jaxcnn.draw import plots
from jaxcnn.draw.contact_sheet import contact_sheet
from jaxcnn.errors import DataError


def test_names_of_classes_cannot_move_the_terminal_or_the_labels(tmp_path):
    root = write_images(
        tmp_path / "root", [name for name in NAMES if not name.startswith(".")], count=1
    )
    source = open_source(Data(name="folder", data_dir=str(root)), "train")
    assert len(source.class_names) == len(NAMES) - 1 and all(
        name.isprintable() for name in source.class_names
    )
    assert {"-rf", "a\\nb", "\\x1b[2J\\x1b]0;title\\x07", "caf\\udce9", "日本"} < set(
        source.class_names
    )
    assert [example.label for example in source] == list(range(len(source)))
    images = np.stack([eval_view(example.image, Preprocess(20, 1)) for example in source])
    batch = {"image": images, "label": np.arange(len(images)), "mask": np.ones(len(images))}
    assert contact_sheet(batch, source.class_names, tmp_path / "sheet.png").is_file()
    kept = [name for name in source.class_names if len(name) < 30 and name.isascii()]
    assert plots.confusion_matrix(
        tmp_path / "confusion.png", np.eye(len(kept), dtype=int), kept
    ).is_file()
    for path in (root / "train").rglob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    for index in range(len(source)):
        with pytest.raises(DataError) as caught:
            decode(source[index].image, 1, source[index].key)
        assert str(caught.value).isprintable()


def test_pipes_circles_and_links_out_of_a_folder(tmp_path):
    root = write_images(tmp_path / "root", count=2)
    settings = Data(name="folder", data_dir=str(root))
    os.mkfifo(root / "train" / "cat" / "pipe.png")  # reading it would wait for ever
    (root / "train" / "cat" / "up").symlink_to("/")
    assert len(open_source(settings, "train")) == 4
    for target, expected in (("../../../secret.png", "outside"), ("loop.png", "leads nowhere")):
        (tmp_path / "secret.png").write_bytes(b"")
        (root / "train" / "cat" / "loop.png").symlink_to(target)
        with pytest.raises(DataError, match=expected):
            open_source(settings, "train")
        (root / "train" / "cat" / "loop.png").unlink()
