"""Folders of classes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from folders import NAMES, write_images
from photos import encode, picture, pillow

from jaxcnn.config.schema import Data
from jaxcnn.data.images.decode import decode
from jaxcnn.data.images.preprocess import Preprocess
from jaxcnn.data.images.views import eval_view
from jaxcnn.data.pipeline.resident import resident_arrays
from jaxcnn.data.sources.open import default_eval_split, open_source
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


def test_folder(folder):
    data = Data(name="folder", data_dir=str(folder))
    train = open_source(data, "train")
    assert len(train) == 12
    assert train.class_names == ["cat", "dog"]
    assert default_eval_split(train) == "val"
    assert [e.label for e in train] == [0] * 6 + [1] * 6
    assert [os.path.relpath(e.key, folder / "train" / "cat") for e in train][:6] == [
        "a.jpg",
        "b b.JPEG",
        "deep/e.jpg",
        "f.jpeg",
        "g.jpg",
        "ü–#%.png",
    ]
    assert [e.key for e in open_source(data, "train[4:8]")] == [e.key for e in train][4:8]
    assert len(open_source(data, "train[50%:]+val")) == 12
    images, labels = resident_arrays(data, "val", Preprocess(20, 1))
    assert images.shape == (6, 20, 20, 1)
    assert [images[labels == k].mean() // 100 for k in (0, 1)] == [0, 1]


def test_a_class_may_be_missing_from_validation_but_not_be_new_there(folder):
    data = Data(name="folder", data_dir=str(folder))
    for file in (folder / "val" / "cat").rglob("*.*"):
        file.unlink()
    assert [e.label for e in open_source(data, "val")] == [1, 1, 1]
    (folder / "val" / "fox").mkdir()
    with pytest.raises(DataError, match="classes that the training folder does not have: fox"):
        open_source(data, "val")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda root: (root / "train" / "ant").mkdir(), "train/ant holds no images"),
        (lambda root: (root / "train" / "cat" / "z.jpg").symlink_to("/etc/hostname"), "outside"),
        (
            lambda root: (root / "train" / "cat" / "z.jpg").symlink_to(root / "gone.jpg"),
            "leads nowhere",
        ),
    ],
)
def test_folders_that_cannot_be_used(folder, spoil, expected):
    spoil(folder)
    with pytest.raises(DataError, match=expected):
        open_source(Data(name="folder", data_dir=str(folder)), "train")


def test_folder_without_splits_or_classes(tmp_path):
    (tmp_path / "img.jpg").write_bytes(b"x")
    for root, expected in (
        (tmp_path, "holds 1 files but no split folders"),
        (tmp_path / "no", "is not a folder"),
        ("", "needs data.data_dir"),
    ):
        with pytest.raises(DataError, match=expected):
            open_source(Data(name="folder", data_dir=str(root)), "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        open_source(Data(name="folder", data_dir=str(tmp_path)), "train")


@pytest.mark.parametrize("split", ["validation", "validation[:2]", "train[:3] + validation[50%:]"])
def test_validation_is_found_in_val_and_called_by_its_name(folder, split):
    data = Data(name="folder", data_dir=str(folder))
    source = open_source(data, split)
    called = split.replace("validation", "val").replace(" + ", "+")
    assert source.split == called
    assert [e.key for e in source] == [e.key for e in open_source(data, called)]
    (folder / "val").rename(folder / "validation")
    assert len(open_source(data, called)) == len(source)


def test_a_split_that_is_not_there_says_which_are(folder):
    (folder / "val").rename(folder / "holdout")
    with pytest.raises(DataError, match=r"it has holdout, train: set data.train_split or"):
        open_source(Data(name="folder", data_dir=str(folder)), "validation")


def test_the_identity_is_the_same_in_every_process_and_another_for_other_files(folder):
    data = Data(name="folder", data_dir=str(folder))
    code = (
        "from jaxcnn.data.sources.folder import Folder\n"
        f"print(Folder({str(folder)!r}, 'train').identity)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    identity = open_source(data, "train").identity
    assert said.stdout.strip() == identity != open_source(data, "val").identity
    (folder / "train" / "cat" / "a.jpg").rename(folder / "train" / "dog" / "z.jpg")
    assert open_source(data, "train").identity != identity


def test_photographs_are_turned_as_exif_says(folder):
    image = encode(picture(20, 40), "PNG", orientation=6)
    for file in (folder / "val").rglob("*.*"):
        file.unlink()
    (folder / "val" / "cat" / "a.png").write_bytes(image)
    data = Data(name="folder", data_dir=str(folder))
    images, _ = resident_arrays(data, "val", Preprocess(20))
    assert np.array_equal(images[0], pillow(image)[10:30])
