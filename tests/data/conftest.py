"""A folder of classes for the tests of sources and of the pipeline."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path):
    """ROOT/{train,val}/{cat,dog}/*.jpg: 6 and 3 images of a class, awkward names and clutter."""
    rng = np.random.default_rng(0)
    names = ["a.jpg", "b b.JPEG", "ü–#%.png", "deep/e.jpg", "f.jpeg", "g.jpg"]
    for split, count in (("train", 6), ("val", 3)):
        for label, name in enumerate(["cat", "dog"]):
            for file in names[:count]:
                path = tmp_path / split / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = 100 * label + rng.integers(0, 50, (20, 24, 3), np.uint8)
                path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    (tmp_path / "train" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "train" / "cat" / "._a.jpg").write_bytes(b"x")
    (tmp_path / "train" / "cat" / "notes.txt").write_text("x")
    (tmp_path / ".cache").mkdir()
    return tmp_path
