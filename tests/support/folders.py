"""Folders of small images, with names of classes that no terminal or file format expects."""

import os

import cv2
import numpy as np

NAMES = [
    "-rf",
    "$x_{",
    "\x1b[2J\x1b]0;title\x07",
    "a\nb",
    "a\r\tb",
    "..a",
    os.fsdecode(b"caf\xe9"),
    "n" * 255,
    "\u202eright to left",
    "日本",
]


def write_images(root, classes=("cat", "dog"), count=12):
    """ROOT/{train,val}/CLASS/<i>.png of 20 x 20 pixels, bright as their class."""
    rng = np.random.default_rng(0)
    for split, n in (("train", count), ("val", 3)):
        for label, name in enumerate(classes):
            place = root / split / name
            place.mkdir(parents=True)
            for i in range(n):
                pixels = rng.integers(0, 60, (20, 20, 1), np.uint8) + np.uint8(20 * label)
                (place / f"{i}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return root
